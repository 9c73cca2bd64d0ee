import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { cleanEnvironment } from '../../testkit/environment.ts';
import { ROOT, tempFolder } from '../../testkit/folders.ts';
import { manifest } from '../../testkit/package.ts';
import { run } from '../../testkit/run.ts';

// Whatever is asked here is answered before a daemon is looked for: there is none.
const env = cleanEnvironment({ PM2_HOME: tempFolder() });
const ask = (...args: string[]) => run(process.execPath, [join(ROOT, 'dist/cli.mjs'), ...args], { env });

/** What is typed, and the first line of the answer. */
const WRONG: [args: string[], line: RegExp, next: RegExp][] = [
  [['heapdum'], /there is no command "heapdum"; did you mean heapdump\?$/, /^Usage: pm2-ops heapdump </],
  [['statsu'], /did you mean status\?$/, /^Usage: pm2-ops status; more: pm2-ops help status$/],
  [['dump'], /there is no command "dump"$/, /^all commands: pm2-ops help$/],
  [['help', 'heapdum'], /did you mean heapdump\?$/, /pm2-ops help heapdump$/],
  [['status', '--jsno'], /status has no option --jsno; did you mean --json\?$/, /pm2-ops help status$/],
  [['drain', 'web', '--timout', '5'], /drain has no option --timout; did you mean --timeout\?$/, /pm2-ops help drain$/],
  [['drain', 'web', '--timout=5'], /did you mean --timeout\?$/, /pm2-ops help drain$/],
  [['drain', 'web', 'timout=5'], /drain has no parameter "timout"; did you mean timeout=5\?$/, /pm2-ops help drain$/],
  [['drain', 'web', '--timeout'], /--timeout needs a value: --timeout=…$/, /pm2-ops help drain$/],
  [['drain', 'web', '--timeout', '--json'], /--timeout needs a value/, /pm2-ops help drain$/],
  [['heapdump', 'web', '--gzip=maybe'], /--gzip is true or false, not "maybe"$/, /pm2-ops help heapdump$/],
  [['heapdump', 'web', '--gzip', 'gzip=true'], /"gzip" is given twice$/, /pm2-ops help heapdump$/],
  [['heapdump', 'my', 'app'], /not understood: "app"$/, /pm2-ops help heapdump$/],
  [['heapdump', '-x'], /has no option -x; .*: pm2-ops heapdump -- -x…$/, /pm2-ops help heapdump$/],
  [['heapdump'], /which process\? for example: pm2-ops heapdump web$/, /pm2-ops help heapdump$/],
  [['status', 'more'], /status takes no argument, and does not know what "more" is$/, /pm2-ops help status$/],
  [['stack', '1', '2'], /stack takes one argument, and does not know what "2" is$/, /pm2-ops help stack$/],
  [
    ['reload', 'web', '--timeout', 'soon'],
    /--timeout must be a whole number of milliseconds, not "soon"$/,
    /help reload$/,
  ],
  [['reload'], /which app\?/, /^Usage: pm2-ops reload </],
];

describe('a command line that is wrong', () => {
  for (const [args, line, next] of WRONG) {
    it(`${args.join(' ')}: says in two lines what is wrong and what was meant, with exit code 2`, async () => {
      const { code, stdout, stderr } = await ask(...args);
      assert.equal(code, 2);
      assert.equal(stdout, '');
      const lines = stderr.trimEnd().split('\n');
      assert.equal(lines.length, 2, stderr);
      assert.match(lines[0]!, /^pm2-ops: /);
      assert.match(lines[0]!, line);
      assert.match(lines[1]!, next);
    });
  }
});

describe('the help', () => {
  it('of all commands, of one, and the version are printed with exit code 0', async () => {
    for (const args of [[], ['help'], ['--help'], ['-h']]) {
      const { code, stdout } = await ask(...args);
      assert.deepEqual([code, /^ {2}heapdump +Writes a heap dump/m.test(stdout)], [0, true]);
    }
    for (const args of [
      ['heapdump', '--help'],
      ['help', 'heapdump'],
      ['heapdump', 'web', '-h'],
    ]) {
      const { code, stdout } = await ask(...args);
      assert.equal(code, 0);
      assert.match(stdout, /^Usage: pm2-ops heapdump <.*\n\nWrites a heap dump.*^ {2}--gzip /ms);
    }
    assert.equal((await ask('--version')).stdout.trim(), manifest.version);
  });

  it('is not what a name behind -- asks for', async () => {
    const { code, stderr } = await ask('heapdump', '--', '--help');
    assert.equal(code, 1);
    assert.match(stderr, /no PM2 daemon runs/);
  });
});
