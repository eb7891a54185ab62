// The server's HTTP part: what it knows, what it would understand, the demo scene. Nothing is made up where it is silent.

let key = null;

export class ServerGone extends Error {}
export class KeyNeeded extends Error {}

/** The key for a server that wants one; it lives in this variable and nowhere else. */
export const useKey = value => { key = value; };
export const access = () => key && { key, tokens: new URL("/v1/tokens", location.href).href };

async function get(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: key ? { authorization: `Key ${key}` } : {} });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerGone();
  }
  if (answer.status === 401) throw new KeyNeeded();
  if (!answer.ok) throw new ServerGone();
  return answer;
}

export const models = async () => (await get("/v1/models")).json();
export const demoScene = async () => (await get("/v1/demo-scene")).json();
export const demoSound = async () => (await get("/v1/demo-scene.wav")).arrayBuffer();
export const understand = async (prompt, signal) => (await get(`/v1/understand?prompt=${encodeURIComponent(prompt)}`, { signal })).json();

export const liveUrl = () => new URL("/v1/live", location.href.replace(/^http/, "ws")).href;
