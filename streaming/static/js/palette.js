// Bytes to pixels: 256 packed words for each colour, from the ground over the colour to the ink.

const rgb = hex => [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16));
const mix = (a, b, part) => a.map((value, i) => value + (b[i] - value) * part);
const packed = ([r, g, b]) => (0xff000000 | Math.round(b) << 16 | Math.round(g) << 8 | Math.round(r)) >>> 0;

function ramp(well, colour, ink) {
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const part = i / 255;
    return packed(part < 0.78 ? mix(well, colour, (part / 0.78) ** 1.8) : mix(colour, ink, (part - 0.78) / 0.22 * 0.75));
  });
}

/** @param {{well: string, text: string, neutral: string, line: string, edge: string, targets: string[]}} theme as #rrggbb */
export function palette(theme) {
  const well = rgb(theme.well), ink = rgb(theme.text);
  return {
    theme,
    neutral: ramp(well, rgb(theme.neutral), ink),
    targets: theme.targets.map(colour => ramp(well, rgb(colour), ink)),
    ground: packed(well),
    hatch: packed(mix(rgb(theme.line), rgb(theme.edge), 0.35)),
  };
}
