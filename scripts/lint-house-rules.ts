/** Rules of this project alone, which oxlint loads as a plugin (.oxlintrc.json). */
import { definePlugin, defineRule, type ESTree } from '@oxlint/plugins';

const noCurrentDate = defineRule({
  create: (context) => ({
    NewExpression(node) {
      if (node.callee.type === 'Identifier' && node.callee.name === 'Date' && node.arguments.length === 0) {
        context.report({ node, message: 'core has no clock: time is an argument' });
      }
    },
  }),
});

/** Whether it calls `object.property(…)`, or `….property(…)` of any object. */
function isCallOf(node: ESTree.Node, property: string, object?: string): boolean {
  if (node.type !== 'CallExpression' || node.callee.type !== 'MemberExpression') return false;
  const { object: of, property: name } = node.callee;
  return (
    name.type === 'Identifier' &&
    name.name === property &&
    (object === undefined || (of.type === 'Identifier' && of.name === object))
  );
}

const writeResult = defineRule({
  create: (context) => ({
    CallExpression(node) {
      const [text] = node.arguments;
      if (!isCallOf(node, 'write') || text?.type !== 'TemplateLiteral') return;
      if (text.expressions.some((part) => isCallOf(part, 'stringify', 'JSON'))) {
        context.report({ node, message: 'a result is written by writeResult of cmd/cli/output.ts' });
      }
    },
  }),
});

export default definePlugin({
  meta: { name: 'house' },
  rules: { 'no-current-date': noCurrentDate, 'write-result': writeResult },
});
