declare module "*.css" {
  const path: string;
  export default path;
}
declare module "*/swagger-ui-bundle.js" {
  const path: string;
  export default path;
}
declare module "*.min.js" {
  const path: string;
  export default path;
}
declare module "*/xcore.js" {
  const path: string;
  export default path;
}
declare module "*/records.js" {
  const path: string;
  export default path;
}
declare module "*/sums.js" {
  const path: string;
  export default path;
}
declare module "*/dashboard.js" {
  const path: string;
  export default path;
}
declare module "*/passkeys.js" {
  const path: string;
  export default path;
}
