// `pm2 trigger pm2-ops status`, `attach`, `reload`, …: the module's actions as PM2 lists them.
import { setTimeout as sleep } from 'node:timers/promises';
import tx2 from 'tx2';
import { REPLY_AFTER_MS } from '../../contract/trigger.ts';
import { printableAsJson } from '../../shared/text/printable.ts';
import { redactTexts } from '../../shared/text/redact.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { tellProgress } from './commandBus.ts';
import type { Execute } from './execute.ts';
import { readRequest, TRIGGERED } from './readRequest.ts';
import type { AnyReply } from './request.ts';

/** Registers the actions with PM2, and a metric that shows how many processes are attached. */
export function listTriggers(execute: Execute, fleet: Fleet): void {
  const isName = (text: string) => fleet.members().some((member) => member.process.name === text);
  for (const action of TRIGGERED) {
    tx2.action(action, (param: unknown, reply: (data: object) => void) => {
      void Promise.all([answer(action, param), sleep(REPLY_AFTER_MS)]).then(([outcome]) =>
        reply(printableAsJson(redactTexts(outcome))),
      );
    });
  }
  tx2.metric({
    name: 'attached',
    value: () => {
      const members = fleet.members();
      return `${members.filter(({ attachment }) => attachment.is === 'attached').length}/${members.length}`;
    },
  });

  async function answer(action: string, raw: unknown): Promise<AnyReply> {
    const request = readRequest(action, raw, { by: 'trigger', isName });
    return 'code' in request ? request : execute(request, (progress) => tellProgress(progress));
  }
}
