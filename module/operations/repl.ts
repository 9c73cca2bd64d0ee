// The module's part of `pm2-ops repl web:0`: it checks the setting, picks the process, and has its agent open the socket.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { ReplOpened, ReplQuestion } from '../../contract/commandMessages.ts';
import type { ErrorCode, Failure } from '../../contract/errors.ts';
import { NAME } from '../../contract/names.ts';
import type { Settings } from '../../contract/settings.ts';
import type { AgentCalls } from '../agents/agentCalls.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { oneProcess } from '../fleet/target.ts';

const IDLE_MS = 10 * 60_000;
/** The command has to connect to the socket within this time. */
const COMES_WITHIN_MS = 10_000;
/** A process that takes longer to answer is blocked. */
const OPENS_WITHIN_MS = 8_000;
/** The longest path of a Unix socket (sun_path of unix(7), without its final NUL). */
const LONGEST_PATH_BYTES = 107;

export interface ReplParts {
  fleet: Fleet;
  settings: Settings;
  calls: AgentCalls;
  /** The REPL's sources: its part on the app's main thread, and the thread that serves its socket. */
  sources: () => { source: string; worker: string };
  /** The folder that a process can write to, and the user that it runs as. */
  folderOf(pid: number): { folder: string; uid: number };
  idleMs?: number;
}

/** Opens a REPL in a process. Settles in any case. */
export async function openRepl(parts: ReplParts, { target, user, uid }: ReplQuestion): Promise<ReplOpened | Failure> {
  const { fleet, settings, calls } = parts;
  const refuse = (code: ErrorCode, message: string, hint: string): Failure => {
    return { ok: false, action: 'repl', code, message, hint };
  };
  if (settings.repl !== 'on') {
    const hint = `a REPL can do everything that the app can; to allow it: pm2 set ${NAME}:repl on`;
    return refuse('E_STATE', `${NAME}:repl is off`, hint);
  }
  const member = oneProcess(fleet, target, 'repl');
  if (!('process' in member)) return member;
  const { pmId, name, pid } = member.process;
  if (member.attachment.is !== 'attached') {
    const message = `pm2-ops is not attached to ${name} (id ${pmId}): ${member.attachment.reason}`;
    return refuse('E_STATE', message, `look with: ${NAME} status`);
  }
  const { folder, uid: appUid } = parts.folderOf(pid);
  const sockets = join(folder, 'repl');
  const socket = join(sockets, `${pid}.sock`);
  if (Buffer.byteLength(socket) > LONGEST_PATH_BYTES) {
    const message = `${socket} is too long for a Unix socket (${LONGEST_PATH_BYTES} bytes at most)`;
    return refuse('E_STATE', message, 'use a shorter path as PM2_HOME');
  }
  const token = randomUUID();
  const reply = await calls.repl(
    pmId,
    {
      ...parts.sources(),
      data: {
        folder: sockets,
        socket,
        token,
        audit: join(folder, 'audit.log'),
        idleMs: parts.idleMs ?? IDLE_MS,
        comesWithinMs: COMES_WITHIN_MS,
        who: { user, uid, app: name, pm_id: String(pmId), pid },
      },
    },
    OPENS_WITHIN_MS,
  );
  if (!reply.ok) {
    if (reply.code !== 'E_TIMEOUT') return reply;
    const message = `${name} (id ${pmId}) does not answer: its event loop is blocked`;
    return refuse('E_TIMEOUT', message, `where it is blocked: pm2 trigger ${NAME} stack id=${pmId}`);
  }
  return { ok: true, action: 'repl', id: pmId, name, pid, uid: appUid, socket, token };
}
