// The box beneath a row: for input, or for a name.

const makeBox = (label) => {
  const box = element("input");
  box.autocomplete = "off";
  box.spellcheck = false;
  box.ariaLabel = label;
  return box;
};
const makeCheck = (words, checked) => {
  const box = element("input");
  box.type = "checkbox";
  box.checked = checked;
  const label = element("label", "vb-check");
  label.append(box, words);
  return { box, label };
};

const renameForm = (form, row, { call, close }) => {
  const box = makeBox(`New name of ${refOf(row)}`);
  box.value = row.name;
  form.append("Name ", box, button("Rename", () => form.requestSubmit()), button("Cancel", close));
  form.onsubmit = () => {
    call("rename", row.id, { name: box.value });
    close();
  };
  return { box, watch: () => {} };
};

// What is typed is masked when the session waits for a password, and kept nowhere.
const inputForm = (form, row, { call, close }) => {
  const box = makeBox(`Input for ${refOf(row)}`);
  const secret = makeCheck(" secret", row.waits === "password");
  const enter = makeCheck(" with Enter", !["key", "keys"].includes(row.waits));
  const mask = () => (box.type = secret.box.checked ? "password" : "text");
  secret.box.onchange = mask;
  mask();
  const send = (more) => {
    call("input", row.id, { text: box.value, enter: enter.box.checked, secret: secret.box.checked, ...more });
    box.value = "";
  };
  form.append("Input ", box, button("Send", () => form.requestSubmit()), enter.label, secret.label);
  form.append(button("End of input", () => send({ eof: true, enter: false })), button("Close", close));
  form.onsubmit = () => send({});
  const watch = (now) => {
    if (now.waits !== "password" || secret.box.checked) return;
    secret.box.checked = true;
    mask();
  };
  return { box, watch };
};

// Returns a function that is to be told how the session stands now.
const openForm = (form, name, row, { call, close }) => {
  const shut = () => {
    form.replaceChildren();
    close();
  };
  form.replaceChildren();
  const { box, watch } = (name === "rename" ? renameForm : inputForm)(form, row, { call, close: shut });
  form.onkeydown = (event) => {
    if (event.key === "Escape") shut();
    event.stopPropagation();
  };
  box.focus();
  box.select();
  return watch;
};
