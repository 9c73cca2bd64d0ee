// Answers the `pm2-ops` command, which asks over PM2's bus and recognises its answer by a nonce.
import { COMMAND_REPLY, COMMAND_TOPIC, PROGRESS } from '../../contract/commandMessages.ts';
import { redactTexts } from '../../shared/text/redact.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { type CommandRequest, readCommandRequest } from './commandRequest.ts';
import type { Execute } from './execute.ts';
import { readRequest } from './readRequest.ts';
import type { AnyProgress, AnyReply } from './request.ts';

/** Answers every command from now on. */
export function answerCommands(execute: Execute, fleet: Fleet): void {
  const isName = (text: string) => fleet.members().some((member) => member.process.name === text);
  process.on('message', (packet: { topic?: unknown; data?: unknown } | null) => {
    const request = packet?.topic === COMMAND_TOPIC ? readCommandRequest(packet.data) : undefined;
    if (!request) return;
    void answer(request).then((reply) =>
      process.send?.({ type: COMMAND_REPLY, data: { nonce: request.nonce, reply: redactTexts(reply) } }),
    );
  });

  async function answer({ nonce, action, params }: CommandRequest): Promise<AnyReply> {
    const request = readRequest(action, params, { by: 'command', isName });
    return 'code' in request ? request : execute(request, (progress) => tellProgress(progress, nonce));
  }
}

/**
 * Sends the progress of a command over the bus.
 * @param nonce of the command that waits for it; a trigger has none, and anyone may listen
 */
export function tellProgress(progress: AnyProgress, nonce?: string): void {
  process.send?.({ type: PROGRESS, data: { ...redactTexts(progress), nonce } });
}
