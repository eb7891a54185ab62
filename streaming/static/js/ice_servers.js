// STUN and TURN servers that the server names for a listener, with passwords of their own (RFC 9725, `Link` headers).

const LINK = /<((?:stun|turn)s?:[^>]+)>((?:\s*;\s*[\w-]+="[^"]*")*)/g, PARAMETER = /([\w-]+)="([^"]*)"/g;

/** What `Link` headers (joined, as `fetch` gives them) say. @returns {RTCIceServer[]} */
export function readLinks(header) {
  const found = [];
  for (const [, urls, rest] of (header ?? "").matchAll(LINK)) {
    const { rel, username, credential } = Object.fromEntries([...rest.matchAll(PARAMETER)].map(([, name, value]) => [name, value]));
    if (rel === "ice-server") found.push(username === undefined ? { urls } : { urls, username, credential });
  }
  return found;
}

/** Asked for before the offer is made: afterwards it is too late to gather. */
export async function iceServers(url, headers) {
  const answer = await fetch(url, { method: "OPTIONS", headers });
  return readLinks(answer.headers.get("link"));
}
