// All that the terminal's view (vibesbox_kernel/widgets/static/terminal.js) takes from elsewhere, in one module.
export { Terminal } from "@xterm/xterm";
export { FitAddon } from "@xterm/addon-fit";
export { default as css } from "@xterm/xterm/css/xterm.css";
