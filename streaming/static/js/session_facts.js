// What the server said of itself and of this session, and how the drawing fares.

import { $, el } from "./dom.js";

export function showFacts(studio) {
  const facts = new Map();
  const show = () => $("#facts").replaceChildren(...[...facts].flatMap(([name, value]) => [el("dt", { class: "dim" }, name), el("dd", {}, value ?? "–")]));
  const set = (name, value) => { facts.set(name, value); if ($("#d-session").open) show(); };
  for (const name of ["Model", "Runs on", "Window", "Session", "Sound", "Hops", "Server queue", "Picture"]) facts.set(name, null);
  $("#d-session").addEventListener("toggle", show);
  studio.on("vocabulary", () => {
    const { running } = studio.vocabulary;
    $("#model-sum").textContent = running.name ?? "";
    set("Model", [running.name, running.version].filter(Boolean).join(" "));
    set("Runs on", running.provider?.replace("ExecutionProvider", ""));
  });
  studio.on("state", () => {
    const { started } = studio;
    set("Session", started?.session);
    set("Window", started && `${(1000 * started.latency.samples / started.audio.sample_rate).toFixed(1)} ms`);
    set("Sound", started && `${started.audio.sample_rate / 1000} kHz, ${started.audio.channels === 2 ? "stereo" : "mono"}, ${started.audio.encoding === "pcm_f32le" ? "32-bit float" : "16 bit"}`);
    if (!started) { set("Hops", null); set("Server queue", null); }
  });
  studio.on("stats", ({ hops, queue_ms: queue }) => { set("Hops", hops.toLocaleString("en")); set("Server queue", `${queue.toFixed(1)} ms`); });
  studio.on("frames", ({ fps, p50, p95 }) => set("Picture", `${fps.toFixed(0)} a second, ${p50.toFixed(1)} ms (p95 ${p95.toFixed(1)})`));
}
