// `pm2 trigger pm2-ops stack id=3`: what does a process execute right now? `module/attach/` looks; this file picks the process.

import type { StackReply } from '../../contract/commandMessages.ts';
import type { Failure } from '../../contract/errors.ts';
import { insteadOf, whyNot } from '../../shared/wrapperAdvice.ts';
import type { Attacher } from '../attach/index.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { realProcessOfMember } from '../fleet/realProcess.ts';
import { oneProcess } from '../fleet/target.ts';

/**
 * Looks into a process. Settles within `LOOK_WITHIN_MS` of `module/attach/`.
 * @param target a pm_id, `name:id`, or the name of an app with one instance
 */
export async function lookInto(fleet: Fleet, attacher: Attacher, target: string): Promise<StackReply | Failure> {
  const member = oneProcess(fleet, target, 'stack');
  if (!('process' in member)) return member;
  const { pmId, name, pid, status } = member.process;
  const gone = (message: string): Failure => ({
    ok: false,
    action: 'stack',
    code: 'E_STATE',
    message,
    hint: `look with: pm2 ls, and pm2 logs ${pmId} --nostream`,
  });
  if (pid <= 0) return gone(`${name} (id ${pmId}) does not run: PM2 says ${status}`);
  const real = realProcessOfMember(member);
  if (real?.is === 'wrapper') {
    // pm2-ops signals only processes that PM2 manages, and PM2 does not manage the wrapper's child.
    const message = whyNot('stack', real);
    return { ok: false, action: 'stack', code: 'E_WRAPPER', message, hint: insteadOf(real, name) };
  }
  const beganMs = performance.now();
  const view = await attacher.look(pid);
  if (view.kernel === null && view.samples === 0) return gone(`pid ${pid} of ${name} (id ${pmId}) is gone`);
  return { ok: true, action: 'stack', id: pmId, name, pid, ms: Math.round(performance.now() - beganMs), ...view };
}
