declare module "daisyui" {
  const plugin: (options?: object) => object;
  export default plugin;
}
