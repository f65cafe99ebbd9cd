// What the harness needs inside JupyterLab's page; loaded into every page before JupyterLab's own code.
window.vibesboxHarness = {
  async ready() {
    // window.jupyterapp is undefined for a moment after the page has loaded.
    while (!window.jupyterapp) await new Promise((go) => setTimeout(go, 20));
    await window.jupyterapp.restored;
  },

  panel(path) {
    for (const widget of window.jupyterapp.shell.widgets('main')) {
      if (widget.context?.path === path && widget.sessionContext) return widget;
    }
    throw new Error(`no open notebook ${path}`);
  },

  cell(path, index) {
    const cell = this.panel(path).content.widgets[index];
    if (!cell) throw new Error(`${path} has no cell ${index}`);
    return cell;
  },

  async open(path) {
    const panel = await window.jupyterapp.commands.execute('docmanager:open', { path, factory: 'Notebook' });
    await panel.context.ready;
    await panel.revealed;
    await panel.sessionContext.ready;
  },

  async activate(path) {
    const { shell } = window.jupyterapp;
    const panel = this.panel(path);
    shell.activateById(panel.id);
    while (shell.currentWidget !== panel) await new Promise((go) => setTimeout(go, 10));
    return panel;
  },

  kernelStatus(path) {
    return this.panel(path).sessionContext.session?.kernel?.status ?? 'none';
  },

  // Runs by the command, not by keys: keys depend on what has the focus.
  async start(path, index) {
    const panel = await this.activate(path);
    const notebook = panel.content;
    notebook.deselectAll();
    notebook.activeCellIndex = index;
    const id = this.cell(path, index).model.id;
    panel.vibesboxRuns ??= new Map();
    panel.vibesboxRuns.set(id, 'running');
    const ended = (how) => () => panel.vibesboxRuns.set(id, how);
    window.jupyterapp.commands.execute('notebook:run-cell').then(ended('finished'), ended('finished'));
  },

  isFinished(path, index) {
    const run = this.panel(path).vibesboxRuns?.get(this.cell(path, index).model.id);
    if (run === undefined) throw new Error(`cell ${index} of ${path} was not started since the page was loaded`);
    return run === 'finished';
  },

  // A cell that is off the screen has no layout: its text is empty and its buttons count as hidden.
  async show(path, index) {
    await this.activate(path);
    const node = this.cell(path, index).node;
    const output = node.querySelector('.jp-OutputArea') ?? node;
    output.scrollIntoView({ block: 'nearest' });
    await new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)));
  },

  text(path, index) {
    // Without the prompts ("[3]:") that stand beside results.
    const outputs = this.cell(path, index).node.querySelectorAll('.jp-OutputArea-output');
    return Array.from(outputs, (one) => one.innerText.replace(/\n$/, '')).join('\n');
  },

  outputs(path, index) {
    return this.cell(path, index).model.outputs.toJSON();
  },

  add(path, index, source) {
    this.panel(path).content.model.sharedModel.insertCell(index, { cell_type: 'code', source });
  },

  edit(path, index, source) {
    this.cell(path, index).model.sharedModel.setSource(source);
  },

  // From now on: how long the page stands still at most, in seconds.
  watchFreezes() {
    const tick = 50;
    let last = performance.now();
    this.longestFreeze = 0;
    setInterval(() => {
      const now = performance.now();
      this.longestFreeze = Math.max(this.longestFreeze, (now - last - tick) / 1000);
      last = now;
    }, tick);
  },

  // From now on: how long it takes from each key to the next change of a terminal's rows, in seconds.
  watchEchoes(rows) {
    let pressed = 0;
    this.echoes = [];
    document.addEventListener('keydown', () => { pressed = performance.now(); }, true);
    new MutationObserver(() => {
      if (pressed) this.echoes.push((performance.now() - pressed) / 1000);
      pressed = 0;
    }).observe(rows, { childList: true, subtree: true, characterData: true });
  },
};
