// What the page can be in. `Studio` is the only writer.
//
//   kind    the dot of the status: on, wait, stop or none
//   silent  nothing is audible
//   gap     nothing comes back from the server now
//   still   nothing moves

export const STATES = {
  idle: { label: "Ready", silent: true, still: true, empty: "Choose a source. The demo scene needs no permission." },
  opening: { label: "Opening the source", kind: "wait", silent: true, still: true, empty: "Waiting for the source", text: ({ words }) => words ?? "" },
  listening: { label: "Listening", kind: "on", silent: true, gap: true },
  connecting: { label: "Connecting", kind: "wait", silent: true, gap: true },
  live: { label: "Live", kind: "on" },
  late: { label: "Live, late", kind: "on", late: true },
  paused: { label: "Paused", kind: "", still: true },
  ended: { label: "Ended", kind: "", still: true },
  reconnecting: {
    label: "Reconnecting", kind: "wait", silent: true, gap: true, acts: ["retry"],
    text: ({ gone }) => `${gone ? "The server does not answer." : "The connection broke."} Your input is kept; the last five seconds of the gap are filled when the connection is back.`,
  },
  full: {
    label: "No place free", kind: "stop", silent: true, gap: true, acts: ["retry"],
    text: () => "Every place on this server is taken. Your prompt and source stay as they are.",
  },
  denied: { label: "Source blocked", kind: "stop", silent: true, still: true, acts: ["again", "demo"], empty: "No sound yet", text: ({ words }) => words },
  gone: { label: "Server gone", kind: "stop", silent: true, still: true, acts: ["reload"], empty: "No server", text: () => "The server does not answer." },
  locked: { label: "Key needed", kind: "stop", silent: true, still: true, acts: ["key"], empty: "No sound yet", text: () => "This server wants an API key. It is kept in this page only, until you close it." },
  pass: {
    label: "Passing through", kind: "stop", pass: true,
    text: () => "Separation has stopped, so you hear the input unchanged.", acts: ["again"],
  },
  failed: { label: "Stopped", kind: "stop", silent: true, gap: true, acts: ["again"], text: ({ words }) => words },
};

export const NO_SOUND = "The browser has not begun to play sound yet. Is there a loudspeaker or headphones it can use?";

export const DENIED = {
  mic: {
    denied: "This page may not use the microphone. Allow it in the address bar, or use another source.",
    absent: "No microphone was found. Plug one in, or use another source.",
    busy: "The microphone is in use by another program.",
    lost: "The microphone was unplugged or taken away. Plug it in again, or use another source.",
    insecure: "Browsers give the microphone only to pages on localhost or https. Use another source, or open this page there.",
  },
  tab: {
    denied: "No tab was shared. Choose one and tick its sound, or use another source.",
    unsupported: "This browser cannot share the sound of a tab. Chrome and Edge can.",
    busy: "The browser could not begin to capture it. Try another tab or window.",
    silent: "What was shared has no sound. In Chrome and Edge, choose a tab and tick “share tab audio”; other browsers share no sound.",
  },
  file: { unreadable: "This browser cannot play the file." },
};
