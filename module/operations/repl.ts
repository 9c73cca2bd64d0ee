// `pm2-ops repl web:0`, the module's part: may it be, in which process, and where its socket is.
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
/** Within which the command has to come to the socket, in milliseconds. */
const COMES_WITHIN_MS = 10_000;
/** A process that does not answer within so many milliseconds is blocked. */
const OPENS_WITHIN_MS = 8_000;
/** A Unix socket's path holds so many bytes at most (sun_path of unix(7), less its end). */
const LONGEST_PATH_BYTES = 107;

export interface ReplParts {
  fleet: Fleet;
  settings: Settings;
  calls: AgentCalls;
  /** Sources of the REPL: its part on the app's main thread, and its thread. */
  sources: () => { source: string; worker: string };
  /** The folder that a process can write to, by its pid; and the user it runs as. */
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
    const hint = `whoever can use it can do whatever the app can; to allow it: pm2 set ${NAME}:repl on`;
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
    return refuse('E_STATE', message, 'PM2_HOME has to be a shorter path');
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
    return refuse('E_TIMEOUT', message, `where it is: pm2 trigger ${NAME} stack id=${pmId}`);
  }
  return { ok: true, action: 'repl', id: pmId, name, pid, uid: appUid, socket, token };
}
