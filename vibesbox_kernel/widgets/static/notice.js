// Tells by a notification of the browser that a session has ended. That is the model's affair, once for each page: a view
// may be scrolled away, or never be drawn. The kernel says which page tells; it may be one that was opened later.
const AGAIN_MS = 6000; // the page that had the word may be gone

const permission = () => (window.Notification ? window.Notification.permission : "none");

const PERMISSION = "vibesbox:permission"; // it is the page's: all notices here have a look
const lookAgain = () => window.dispatchEvent(new Event(PERMISSION));

const failures = new Map(); // by the notice's mark
const failureOf = (model) => failures.get(model.get("twin"));
const page = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;

function tell(model) {
  try {
    const notification = new window.Notification(model.get("ended"), { body: "Vibesbox", tag: `vibesbox-${model.get("twin")}` });
    notification.onclick = () => window.focus();
    model.send({ t: "told", page });
  } catch (error) {
    model.send({ t: "failed", page });
    failures.set(model.get("twin"), String(error));
    lookAgain();
  }
}

function initialize({ model }) {
  let timer = null;
  const claim = () => {
    clearTimeout(timer);
    if (!model.get("ended") || model.get("told") || permission() !== "granted" || failureOf(model)) return;
    model.send({ t: "claim", page });
    timer = setTimeout(claim, AGAIN_MS);
  };
  const hear = (message) => {
    if (message.t === "tell" && message.page === page) tell(model);
  };
  model.on("change:ended change:told", claim);
  model.on("msg:custom", hear);
  window.addEventListener(PERMISSION, claim);
  claim();
  return () => {
    clearTimeout(timer);
    model.off("change:ended change:told", claim);
    model.off("msg:custom", hear);
    window.removeEventListener(PERMISSION, claim);
  };
}

function words(model) {
  const subject = model.get("subject");
  if (model.get("ended")) return model.get("ended");
  if (failureOf(model)) return `This browser can show no notification (${failureOf(model)}); %ps says when ${subject} has ended.`;
  switch (permission()) {
    case "granted":
      return `A notification tells when ${subject} ends.`;
    case "denied":
      return `This site's settings in the browser forbid notifications; %ps says when ${subject} has ended.`;
    case "default":
      return `To be told when ${subject} ends:`;
    default:
      return `There are no notifications here (browsers have them on https and localhost only); %ps says when ${subject} has ended.`;
  }
}

function render({ model, el }) {
  const hide = document.createElement("style");
  hide.textContent = `.vb-static-${CSS.escape(model.get("twin"))} { display: none; }`;
  const box = document.createElement("div");
  box.className = "vb-notice";
  box.setAttribute("role", "status");
  const text = document.createElement("span");
  const allow = document.createElement("button");
  allow.type = "button";
  allow.textContent = "Allow notifications";
  allow.onclick = async () => {
    await window.Notification.requestPermission();
    lookAgain();
  };
  box.append(text, allow);
  el.append(hide, box);

  const draw = () => {
    text.textContent = words(model);
    allow.hidden = permission() !== "default" || Boolean(model.get("ended"));
  };
  model.on("change", draw);
  window.addEventListener(PERMISSION, draw);
  let watched = null; // it may be changed in the browser's own settings, too
  navigator.permissions?.query({ name: "notifications" }).then((status) => {
    watched = status;
    watched.onchange = lookAgain;
  }, () => {});
  draw();
  return () => {
    if (watched) watched.onchange = null;
    model.off("change", draw);
    window.removeEventListener(PERMISSION, draw);
  };
}

export default { initialize, render };
