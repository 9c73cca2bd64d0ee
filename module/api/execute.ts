// The one door for commands: trigger and command line ask the module here, and always get a typed reply.
import { NAME } from '../../contract/names.ts';
import { type AlertsCommandParts, alerts } from './commands/alerts.ts';
import { type AttachParts, attach, detach } from './commands/attachments.ts';
import { type DoctorCommandParts, doctor } from './commands/doctor.ts';
import { type ReloadCommandParts, reload } from './commands/reload.ts';
import { type ReplCommandParts, repl } from './commands/repl.ts';
import { type RulesCommandParts, rules } from './commands/rules.ts';
import { type RunCommandParts, run } from './commands/run.ts';
import { type StackParts, stack } from './commands/stack.ts';
import { type StatusParts, status } from './commands/status.ts';
import { type WhyCommandParts, why } from './commands/why.ts';
import type { AnyProgress, AnyReply, CommandName, ProgressOf, ReplyTo, Request, RequestFor } from './request.ts';

/** Always resolves; an error in the module itself becomes an E_INTERNAL. */
export interface Execute {
  <Name extends CommandName>(
    request: RequestFor<Name> & { command: Name },
    onProgress?: (progress: ProgressOf<Name>) => void,
  ): Promise<ReplyTo<Name>>;
  (request: Request, onProgress?: (progress: AnyProgress) => void): Promise<AnyReply>;
}

/** What the commands need of the module. */
export type ExecuteParts = StatusParts &
  AttachParts &
  StackParts &
  DoctorCommandParts &
  WhyCommandParts &
  ReloadCommandParts &
  RunCommandParts &
  ReplCommandParts &
  RulesCommandParts &
  AlertsCommandParts;

export function createExecute(parts: ExecuteParts): Execute {
  return (async (request: Request, onProgress: (progress: AnyProgress) => void = () => {}): Promise<AnyReply> => {
    try {
      return await decide(request, onProgress);
    } catch (error) {
      const { message } = error as Error;
      return { ok: false, action: actionOf(request), code: 'E_INTERNAL', message, hint: `look at: pm2 logs ${NAME}` };
    }
  }) as Execute;

  function decide(request: Request, onProgress: (progress: AnyProgress) => void): Promise<AnyReply> {
    switch (request.command) {
      case 'status':
        return status(parts);
      case 'attach':
        return attach(parts, request.params);
      case 'detach':
        return detach(parts, request.params);
      case 'stack':
        return stack(parts, request.params);
      case 'doctor':
        return doctor(parts);
      case 'why':
        return why(parts, request.params);
      case 'rules':
        return rules(parts);
      case 'reload':
        return reload(parts, request.params, onProgress);
      case 'run':
        return run(parts, request.params, onProgress);
      case 'repl':
        return repl(parts, request.params);
      case 'alerts':
        return alerts(parts, request.params, onProgress);
    }
  }
}

function actionOf({ command, params }: Request): string {
  return command === 'run' ? params.action : command;
}
