// What somebody with a listener link sees: the name of what they hear, a button, and a level.

import { $ } from "./dom.js";
import { listen } from "./whep.js";

const about = new URLSearchParams(location.hash.slice(1)), session = about.get("session"), track = about.get("track");
const url = `/v1/whep/${encodeURIComponent(session)}/${encodeURIComponent(track)}`, button = $("#listen"), LOWEST_DB = -60;
let playing = null, context = null;

$("#what").textContent = about.get("name") || "A live sound";
if (!session || !track) finish("This link names no session.");
else if (!("RTCPeerConnection" in globalThis)) finish("This browser cannot listen: it has no WebRTC.");

button.addEventListener("click", () => playing ? finish("Stopped.") : begin());
addEventListener("pagehide", () => playing?.stop());

const tell = text => { $("#say").textContent = text; };

async function begin() {
  button.disabled = true;
  tell("Connecting");
  try {
    playing = await listen(new URL(url, location.href).href, about.get("token"), state => {
      if (state === "connected") tell("You hear it live.");
      if (state === "failed") finish("The connection broke.");
      if (state === "over" && playing) finish("This session is over.");
      if (state === "closed" || state === "disconnected") tell("The connection is interrupted.");
    });
    $("#sound").srcObject = playing.stream;
    await $("#sound").play();
    meter(playing.stream);
    button.textContent = "Stop";
  } catch (error) {
    finish(error.status === 404 ? "This session is over." : error.status === 401 ? "This link has expired." : error.status ? error.message : "The server does not answer.");
  }
  button.disabled = false;
}

function finish(words) {
  playing?.stop();
  playing = null;
  $("#sound").srcObject = null;
  context?.close();
  context = null;
  button.textContent = "Listen";
  tell(words);
}

function meter(stream) {
  context = new AudioContext();
  const tap = new AnalyserNode(context, { fftSize: 1024 }), data = new Float32Array(1024), bar = $("#level i");
  context.createMediaStreamSource(stream).connect(tap);
  const show = () => {
    if (!playing) { bar.style.transform = "scaleX(0)"; return; }
    tap.getFloatTimeDomainData(data);
    const db = 10 * Math.log10(data.reduce((sum, x) => sum + x * x, 0) / data.length + 1e-12);
    bar.style.transform = `scaleX(${Math.max(0, 1 - db / LOWEST_DB).toFixed(3)})`;
    $("#level").setAttribute("aria-valuenow", Math.max(LOWEST_DB, Math.round(db)));
    requestAnimationFrame(show);
  };
  show();
}
