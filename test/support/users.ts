// Real users of this host for a test: made by root with `useradd`, gone with the test process.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface User {
  name: string;
  uid: number;
  gid: number;
}

/** Why a test that needs other users cannot run here, or false. */
export function noOtherUsers(): string | false {
  if (process.getuid?.() !== 0) return 'only root can have apps of other users';
  if (spawnSync('useradd', ['--help']).status !== 0) return 'there is no useradd here';
  return false;
}

const COMMENT = 'of a pm2-ops test since ';
const made = new Set<User>();
/** What goes on as one of them, by uid. */
const going = new Map<number, ChildProcess>();

/** The users of a test that was killed are removed by a test that runs so much later. */
const FORGOTTEN_MS = 15 * 60_000;

/** Makes a user without a home and without a password. */
export function addUser(): User {
  removeForgotten();
  const name = `po${randomBytes(4).toString('hex')}`;
  const comment = `${COMMENT}${Date.now()}`;
  retried('useradd', ['--no-create-home', '--user-group', '--shell', '/bin/sh', '--comment', comment, name]);
  const id = (flag: string) => Number(spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout);
  const user = { name, uid: id('-u'), gid: id('-g') };
  made.add(user);
  return user;
}

/** Removes a user, and ends what `goOnAs` has started. */
export function removeUser(user: User): void {
  going.get(user.uid)?.kill('SIGKILL');
  if (made.delete(user)) retried('userdel', ['--force', user.name]);
}

/** Runs a piece of JavaScript as that user. @returns what it printed. @throws what it threw */
export function as({ uid, gid }: User, script: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', script, '--', ...args], {
    uid,
    gid,
    cwd: '/',
    env: {},
    encoding: 'utf8',
    timeout: 10_000,
  });
  if (status !== 0) throw new Error(`as user ${uid}: ${stderr}`);
  return stdout;
}

/** Runs a command as that user until `stop`, which returns what it has printed. One at a time for each user. */
export function goOnAs(
  { uid, gid }: User,
  command: string,
  args: string[],
): { said(): string; stop(): Promise<string> } {
  const child = spawn(command, args, { uid, gid, cwd: '/', env: {}, stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const ended = new Promise<string>((resolve) => child.once('close', () => resolve(text)));
  going.set(uid, child);
  return {
    said: () => text,
    stop: () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

function removeForgotten(): void {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name = '', , , , comment = ''] = line.split(':');
    if (!comment.startsWith(COMMENT) || Date.now() - Number(comment.slice(COMMENT.length)) < FORGOTTEN_MS) continue;
    // Another test may be doing the same.
    spawnSync('userdel', ['--force', name]);
  }
}

/** Another test may be changing /etc/passwd just now. */
function retried(command: string, args: string[]): void {
  for (let attempt = 1; ; attempt++) {
    const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
    if (status === 0) return;
    if (attempt === 20) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
    spawnSync('sleep', ['0.2']);
  }
}

process.on('exit', () => {
  for (const user of made) removeUser(user);
});
