import { renderSVG } from "uqr";

/** Modules of white that a scanner needs around the code. */
const QUIET_ZONE = 4;
const MODULE_SIZE = 4;

/** Draws text as a QR code: an SVG element for a page or a file, black on white in every theme. */
export function toQrCodeSvg(text: string): string {
  return renderSVG(text, { ecc: "M", border: QUIET_ZONE, pixelSize: MODULE_SIZE });
}
