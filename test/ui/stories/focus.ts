/**
 * Runs in the page: what tells the eye whether something has the keyboard, of itself and what it stands in (a field's
 * frame is drawn around its label).
 */
export function toShownStyle(element: Element): string {
  const all = [element, element.parentElement].map((one) => {
    if (one === null) return "";
    const { outlineStyle, outlineWidth, outlineColor, boxShadow, borderColor, backgroundColor, opacity } =
      getComputedStyle(one);
    const hasOutline = outlineStyle !== "none" && Number.parseFloat(outlineWidth) > 0;
    const outline = hasOutline ? `${outlineStyle} ${outlineWidth} ${outlineColor}` : "none";
    return [outline, boxShadow, borderColor, backgroundColor, opacity].join("; ");
  });
  return all.join(" | ");
}
