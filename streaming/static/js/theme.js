// The colours of the style sheet, for the drawing; told again when the system changes between light and dark.

const TOKENS = { well: "--well", text: "--text", neutral: "--text-2", line: "--line", edge: "--edge" };

export function followTheme(studio) {
  const tell = () => {
    const style = getComputedStyle(document.documentElement), value = name => style.getPropertyValue(name).trim();
    const theme = Object.fromEntries(Object.entries(TOKENS).map(([name, token]) => [name, value(token)]));
    studio.draw({ do: "theme", theme: { ...theme, targets: [1, 2, 3, 4, 5, 6].map(n => value(`--t${n}`)) } });
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
  tell();
}
