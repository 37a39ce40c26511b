/** How CycloneDX says what a component is licensed under. */
export type Licenses = readonly (
  | { readonly license: { readonly id: string } | { readonly name: string } }
  | { readonly expression: string }
)[];

/** Licences that packages of npm mostly have, by their SPDX identifiers. */
const SPDX_IDS = new Set(
  [
    "0BSD AFL-2.1 AGPL-3.0-only AGPL-3.0-or-later Apache-2.0 Artistic-2.0 BlueOak-1.0.0 BSD-2-Clause BSD-3-Clause BSL-1.0",
    "CC-BY-3.0 CC-BY-4.0 CC0-1.0 EPL-1.0 EPL-2.0 EUPL-1.2 GPL-2.0-only GPL-2.0-or-later GPL-3.0-only GPL-3.0-or-later",
    "ISC LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0-only LGPL-3.0-or-later MIT MIT-0 MPL-2.0 MulanPSL-2.0 OFL-1.1",
    "PostgreSQL Python-2.0 Unicode-3.0 Unlicense UPL-1.0 W3C WTFPL Zlib ZPL-2.1",
  ].flatMap((ids) => ids.split(" ")),
);
const EXPRESSION = /^\(*[\w.+-]+\)*(?: (?:AND|OR|WITH) \(*[\w.+-]+\)*)+$/;

/** Turns what a package.json says of its licence into what CycloneDX knows: an identifier, an expression, or a name. */
export function toLicenses(license: string): Licenses {
  const text = license.trim();
  if (SPDX_IDS.has(text)) return [{ license: { id: text } }];
  return EXPRESSION.test(text) ? [{ expression: text }] : [{ license: { name: text } }];
}
