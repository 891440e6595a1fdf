/** The bundling gives a YAML file as its text (config/build.ts). */
declare module '*.yaml' {
  const text: string;
  export default text;
}
