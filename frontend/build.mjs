// Builds xterm.js and its licence for the wheel, and records from what: `make terminal` runs it.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const STATIC = new URL("../vibesbox_kernel/widgets/static/", import.meta.url);
const BUNDLE = new URL("xterm.js", STATIC);
const SOURCES = ["build.mjs", "package-lock.json", "package.json", "xterm.js"];
const PACKAGES = ["@xterm/xterm", "@xterm/addon-fit"];

const here = (name) => new URL(name, import.meta.url);
const sha256 = (...files) => {
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest("hex");
};
const { devDependencies: versions } = JSON.parse(readFileSync(here("package.json"), "utf8"));

await build({
  entryPoints: [here("xterm.js").pathname],
  outfile: BUNDLE.pathname,
  bundle: true,
  format: "esm",
  minify: true,
  target: "es2022",
  charset: "utf8",
  legalComments: "none", // their texts stand beside it, in full
  loader: { ".css": "text" },
  banner: { js: `// ${PACKAGES.map((name) => `${name} ${versions[name]}`).join(", ")}; see xterm.LICENSE.txt` },
});
const licences = PACKAGES.map((name) => `${name} ${versions[name]}\n\n${readFileSync(here(`node_modules/${name}/LICENSE`), "utf8")}`);
writeFileSync(new URL("xterm.LICENSE.txt", STATIC), licences.join("\n"));
const record = { sources: sha256(...SOURCES.map(here)), bundle: sha256(BUNDLE), versions };
writeFileSync(here("built.json"), `${JSON.stringify(record, null, 2)}\n`);
