// Runs the tests: all, or those whose path contains an argument. Node's inspector port 9229 is one per network
// namespace, so files run one at a time, or in several lanes where each can have a namespace of its own.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** A file with this line in it is run where the npm registry can be reached. */
const NEEDS_NETWORK = '// Needs the npm registry.';
/** One test, or suite of tests; the longest one starts a dozen PM2 daemons. */
const TEST_TIMEOUT_MS = 600_000;
/** One file, should its process not end. */
const FILE_TIMEOUT_MS = 900_000;
const OWN_NETWORK = ['unshare', '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];
const COUNTS = ['tests', 'suites', 'pass', 'fail', 'cancelled', 'skipped', 'todo'];
/** The closing lines of each file's run; one sum of all stands at the end instead. */
const COUNT_LINES = new RegExp(`^ℹ (?:${COUNTS.join('|')}|duration_ms) .*\\n`, 'gm');

const files = testFiles(process.argv.slice(2));
installWorkspace('workspace', 'other Node and PM2 versions, a registry');
if (files.some((file) => /frameworks/i.test(file))) installWorkspace('frameworks', 'Express, Fastify, Next.js, …');
if (files.some((file) => file.startsWith(join('test', 'app-template')))) installTemplate();
const started = performance.now();
const { passed, again } = await runInLanes(files);
// Others ran beside it on the same CPUs: what fails alone, too, is what failed.
const alone = [];
for (const { file } of again) alone.push(await runFile(file, []));
const failed = alone.filter(({ ok }) => !ok);
report([...passed, ...alone], (performance.now() - started) / 1000);
for (const { file } of alone.filter(({ ok }) => ok))
  console.log(`\nunsteady: ${file} failed beside others and passed alone`);
for (const { file } of failed) console.log(`\n✖ failed: ${file}; again: node scripts/test.mjs ${file}`);
process.exit(failed.length > 0 ? 1 : 0);

function testFiles(wanted) {
  const found = readdirSync(join(root, 'test'), { recursive: true })
    .map((file) => join('test', String(file)))
    .filter((file) => file.endsWith('.test.ts') && !file.includes('node_modules'))
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
    .sort();
  if (found.length > 0) return found;
  console.error(`no test file matches ${wanted.join(', ')}`);
  process.exit(1);
}

/** The first lane has the host's network, the others have their own. A single one, where that is not allowed. */
async function runInLanes(all) {
  const canSeparate = spawnSync(OWN_NETWORK[0], [...OWN_NETWORK.slice(1), 'true'], { stdio: 'ignore' }).status === 0;
  const lanes = canSeparate ? Math.max(1, Number(process.env.PM2_OPS_LANES) || availableParallelism()) : 1;
  const online = all.filter((file) => lanes === 1 || readFileSync(join(root, file), 'utf8').includes(NEEDS_NETWORK));
  const offline = all.filter((file) => !online.includes(file));
  const results = [];
  const lane = async (network, take) => {
    for (let file = take(); file !== undefined; file = take()) {
      const result = await runFile(file, network);
      results.push(result);
      process.stdout.write(`${result.output}\n`);
    }
  };
  await Promise.all([
    lane([], () => online.shift() ?? offline.shift()),
    ...Array.from({ length: lanes - 1 }, () => lane(OWN_NETWORK, () => offline.shift())),
  ]);
  const unsteady = lanes > 1 ? results.filter(({ ok }) => !ok) : [];
  return { passed: results.filter((result) => !unsteady.includes(result)), again: unsteady };
}

/** @param network the command that gives it a network of its own, or none */
function runFile(file, network) {
  const began = performance.now();
  const [command, ...args] = [
    ...network,
    ...[
      process.execPath,
      '--import',
      'tsx',
      '--test',
      `--test-timeout=${TEST_TIMEOUT_MS}`,
      '--test-reporter=spec',
      file,
    ],
  ];
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], timeout: FILE_TIMEOUT_MS });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ file, ok: false, counts: {}, output: `${file}: ${error.message}` }));
    child.once('close', (code) => {
      const counts = Object.fromEntries(COUNTS.map((name) => [name, Number(said.match(countOf(name))?.[1] ?? 0)]));
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      const body = said.replace(COUNT_LINES, '').trimEnd();
      resolve({ file, ok: code === 0, counts, output: `\n── ${file} (${seconds} s)\n${body}` });
    });
  });
}

function countOf(name) {
  return new RegExp(`^ℹ ${name} (\\d+)$`, 'm');
}

/** The runner's closing lines in the form of Node's own. */
function report(results, seconds) {
  for (const { ok, output } of results) if (!ok) console.log(output);
  console.log('');
  for (const name of COUNTS)
    console.log(`ℹ ${name} ${results.reduce((sum, { counts }) => sum + (counts[name] ?? 0), 0)}`);
  console.log(`ℹ duration_ms ${Math.round(seconds * 1000)}`);
}

/** What only tests need has a lock file of its own: installed when missing or outdated. */
function installWorkspace(name, what) {
  const workspace = join(root, 'test', name);
  const lock = readFileSync(join(workspace, 'package-lock.json'));
  // A copy of the lock that was installed: times of files say nothing after a checkout.
  const installed = join(workspace, 'node_modules', '.installed-lock.json');
  if (existsSync(installed) && readFileSync(installed).equals(lock)) return;
  console.log(`Installing what only the tests need (test/${name}: ${what}) …`);
  const started = performance.now();
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: workspace,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
  writeFileSync(installed, lock);
  console.log(`Installed in ${Math.round((performance.now() - started) / 1000)} s.`);
}

/** app-template, here where the npm registry can be reached. */
function installTemplate() {
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', 'scripts/template.ts'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}
