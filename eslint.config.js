// Types are checked by tsc, the direction of imports by dependency-cruiser; here are the rules of the house.
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'test/cluster/programs/'] },
  {
    files: ['**/*.ts', '**/*.tsx'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      // An import of types alone is erased whole: it loads nothing.
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      eqeqeq: 'error',
    },
  },
  {
    files: ['core/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { regex: '^node:', message: 'core is pure: no I/O, no process, no clock' },
            {
              regex: '^(@kubernetes/|@dot-i/|ink$|react|yargs|execa)',
              message: 'core is pure: it knows no cluster and no screen',
            },
          ],
        },
      ],
      'no-restricted-globals': [
        'error',
        { name: 'process', message: 'core is pure' },
        { name: 'fetch', message: 'core is pure' },
        { name: 'setTimeout', message: 'core has no clock' },
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: 'core has no clock: time is an argument' },
        { object: 'Math', property: 'random', message: 'core is deterministic' },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: "NewExpression[callee.name='Date'][arguments.length=0]",
          message: 'core has no clock: time is an argument',
        },
      ],
    },
  },
  {
    files: ['probe/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { regex: '^(@kubernetes/|@dot-i/|ink$|react|yargs)', message: 'a probe has no credentials and no screen' },
          ],
        },
      ],
    },
  },
  {
    files: ['engine/**/*.ts', 'operator/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [{ regex: '^(ink$|react|yargs)', message: 'the operator has no screen' }],
        },
      ],
    },
  },
  {
    files: ['cmd/**/*.ts', 'cmd/**/*.tsx'],
    // The program, the screen that ink draws, and the echo of what the user types.
    ignores: ['cmd/main.ts', 'cmd/views/show.tsx', 'cmd/commands/install.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        ...['stdout', 'stderr'].map((property) => ({
          object: 'process',
          property,
          message: 'text leaves through io, whose streams escape what a terminal would obey (docs/decisions/085)',
        })),
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector:
            "CallExpression[callee.property.name='write'][arguments.0.type='TemplateLiteral'] CallExpression[callee.object.name='JSON'][callee.property.name='stringify']",
          message: 'a result is written by writeResult of cmd/cli/output.ts',
        },
      ],
    },
  },
  {
    files: ['test/**/*.ts', 'test/**/*.tsx'],
    rules: { '@typescript-eslint/no-unsafe-assignment': 'off', '@typescript-eslint/unbound-method': 'off' },
  },
);
