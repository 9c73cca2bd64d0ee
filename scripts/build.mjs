// Builds dist/: one dependency-free CommonJS file for the agent, and bundled ESM entries for everything else.

import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { agentScript, inARealmOfItsOwn } from './build/agentRealm.mjs';
import { common, out, root } from './build/common.mjs';
import { writeLicences } from './build/licences.mjs';
import { declareTypes } from './build/types.mjs';

/** Tells an ES module its own file (diagnostics/frames.ts); in a bundle of the app's it has none. */
const ownFile = {
  js: "import { fileURLToPath as __pathOf } from 'node:url'; const __filename = import.meta?.url ? __pathOf(import.meta.url) : undefined;",
};

/** What is built: source, file in dist/, format. */
const entries = [
  // What the module loads into apps. They read it as bytes, so it is ASCII (esbuild's default).
  { ...agentScript, file: 'agent.cjs', selfContained: true },
  {
    source: 'agent/preload.ts',
    file: 'agent-preload.cjs',
    format: 'cjs',
    selfContained: true,
    plugins: [inARealmOfItsOwn],
  },
  {
    source: 'agent/door/preload.ts',
    file: 'door.cjs',
    format: 'cjs',
    minifySyntax: true,
    minifyWhitespace: true,
    selfContained: true,
    // It stays beside the app, which may replace Node's globals.
    inject: ['agent/realm/globals.ts'],
  },
  { source: 'agent/repl/main.ts', file: 'repl.cjs', format: 'cjs', minifySyntax: true, selfContained: true },
  { source: 'agent/repl/worker.ts', file: 'repl-worker.cjs', format: 'cjs', minifySyntax: true, selfContained: true },
  { source: 'module/attach/guard.ts', file: 'guard.cjs', format: 'cjs', minifySyntax: true },
  { source: 'module/main.ts', file: 'main.mjs', format: 'esm' },
  { source: 'cli/index.ts', file: 'cli.mjs', format: 'esm', executable: true },
  { source: 'lifecycle/index.ts', file: 'lifecycle.mjs', format: 'esm', selfContained: true },
  { source: 'lifecycle/index.ts', file: 'lifecycle.cjs', format: 'cjs', selfContained: true },
  { source: 'maintenance/index.ts', file: 'maintenance.mjs', format: 'esm', selfContained: true, banner: ownFile },
  { source: 'maintenance/index.ts', file: 'maintenance.cjs', format: 'cjs', selfContained: true },
];

// A CommonJS dependency inside an ESM bundle still calls require for Node's built-in modules.
const requireForBundledCommonJs = {
  js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
};

await rm(join(root, 'dist'), { recursive: true, force: true });
await mkdir(join(root, 'dist'), { recursive: true });
const bundledPackages = new Set();
for (const { source, file, format, selfContained, executable, ...options } of entries) {
  const result = await build({
    ...common,
    ...options,
    entryPoints: [source],
    outfile: out(file),
    format,
    ...(format === 'esm' && !selfContained ? { banner: requireForBundledCommonJs } : {}),
  });
  const packages = Object.keys(result.metafile.inputs).flatMap(
    (input) => input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1] ?? [],
  );
  if (selfContained && packages.length > 0)
    throw new Error(`${file} must have no dependency, but bundles ${[...new Set(packages)]}`);
  for (const name of packages) bundledPackages.add(name);
  if (executable) await chmod(out(file), 0o755);
}

// An app only loads it, and gets nothing from it.
await writeFile(out('agent-preload.d.cts'), 'export {};\n');
for (const room of ['lifecycle', 'maintenance']) await declareTypes(room);
await writeLicences(bundledPackages);
