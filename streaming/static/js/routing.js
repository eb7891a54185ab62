// What is audible. One place decides it, for the ear and for the eye.

/**
 * @param {Strips} strips
 * @param {{ab: boolean, pass: boolean, silent: boolean}} mode hold for input; the server passes the input through; no sound at all
 * @returns {{audible: Set<string>, gains: Record<string, number>, words: string[]}} gains are factors
 */
export function routing(strips, { ab, pass, silent }) {
  const all = strips.all, soloed = all.some(({ solo }) => solo);
  const heard = all.filter(({ kind, solo, muted }) => {
    if (silent) return false;
    if (ab || pass) return kind === "input";
    return soloed ? solo : kind !== "input" && !muted;
  });
  const audible = new Set(heard.map(({ id }) => id));
  const gains = Object.fromEntries(all.map(({ id, kind, gain }) => [id, audible.has(id) ? kind === "input" ? 1 : 10 ** (gain / 20) : 0]));
  return { audible, gains, words: heard.map(({ name, kind }) => kind === "target" ? name : name.toLowerCase()) };
}
