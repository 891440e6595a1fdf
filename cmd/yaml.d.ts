/** The bundling gives a YAML file as its text (scripts/build.ts). */
declare module '*.yaml' {
  const text: string;
  export default text;
}
