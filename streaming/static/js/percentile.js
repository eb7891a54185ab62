/** The value that a share `part` (0 to 1) of the values does not exceed; null where there is none. */
export function percentile(values, part) {
  if (!values.length) return null;
  const rising = [...values].sort((a, b) => a - b);
  return rising[Math.min(rising.length - 1, Math.floor(part * rising.length))];
}
