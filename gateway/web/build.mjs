// Bundles the two pages into dist/, or with --tests the unit tests into build/tests/.
import { cp, mkdir, readdir, rm } from "node:fs/promises";
import { build } from "esbuild";

const shared = { bundle: true, format: "esm", target: "es2022", logLevel: "warning" };

if (process.argv.includes("--tests")) {
  const files = (await readdir("src")).filter((name) => name.endsWith(".test.ts"));
  await rm("build/tests", { recursive: true, force: true });
  await build({
    ...shared,
    entryPoints: files.map((name) => `src/${name}`),
    outdir: "build/tests",
    outExtension: { ".js": ".mjs" },
    platform: "node",
  });
} else {
  await rm("dist", { recursive: true, force: true });
  await mkdir("dist");
  await build({
    ...shared,
    entryPoints: ["src/dashboard.ts", "src/viewer.ts", "src/style.css"],
    outdir: "dist",
    minify: true,
    // The light build has all that one video with one sound track needs.
    alias: { "hls.js": "hls.js/light" },
    // hls.js is Apache-2.0: its notice goes with it.
    legalComments: "eof",
  });
  for (const page of ["index.html", "watch.html", "icon.svg", "icons.svg"]) {
    await cp(`src/${page}`, `dist/${page}`);
  }
}
