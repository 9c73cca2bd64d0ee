// `pm2-ops stack 3`: where a process is right now, even one that does not answer.
import type { StackReply } from '../../contract/commandMessages.ts';
import type { Failure } from '../../contract/errors.ts';
import { printableValue } from '../../shared/text/printable.ts';
import { padEnd, widthOf } from '../../shared/text/width.ts';
import { askModule } from '../askModule.ts';
import { type Command, UsageError } from '../command.ts';
import { failureText } from '../failureText.ts';
import { complain, say, sayJson } from '../output.ts';
import { paint } from '../table.ts';

export const stack: Command = {
  name: 'stack',
  summary: 'Shows where a process is right now, also one that is blocked; nothing is paused.',
  arguments: ['<id>'],
  options: { json: { type: 'boolean', help: 'print the reply as JSON, for scripts' } },
  async run({ values, positionals: [target] }) {
    if (!target) throw new UsageError('which process? for example: pm2-ops stack 3');
    const reply = await askModule<StackReply | Failure>('stack', target);
    if (values.json === true) sayJson(reply, 2);
    else if (reply.ok) say(render(printableValue(reply)));
    else complain(failureText(reply));
    return reply.ok ? 0 : 1;
  },
};

/** How many stacks are shown: with more of them a profile tells more. */
const SHOWN = 4;

function render(reply: StackReply): string {
  const { id, name, pid, verdict, stacks, samples, reason, kernel, is } = reply;
  const lines = [`${name} (id ${id}, pid ${pid}): ${verdict}`];
  if (reason !== undefined) lines.push(`V8 was not asked: ${reason}`);
  for (const { count, frames } of stacks.slice(0, SHOWN)) {
    lines.push('', `${count} of ${samples} samples:`);
    if (frames.length === 0) lines.push('    (between two events)');
    const width = Math.max(...frames.map((frame) => widthOf(frame.function)));
    for (const { function: called, file, line, column } of frames) {
      const text = `    ${padEnd(called, width)}  ${file}${[line, column].map((at) => (at > 0 ? `:${at}` : '')).join('')}`;
      lines.push(/^(node:|<anonymous>|native)/.test(file) ? paint('grey', text) : text);
    }
  }
  if (stacks.length > SHOWN) lines.push('', `and ${stacks.length - SHOWN} other stacks: --json shows all`);
  if (kernel) {
    const { state, syscall, wchan, threads, threadCount, children } = kernel;
    lines.push('', `kernel: ${state}${inCall(syscall, wchan)}; ${threadCount} threads`);
    for (const thread of threads) {
      lines.push(`    thread ${thread.tid} ${thread.name}: ${thread.state}${inCall(thread.syscall, thread.wchan)}`);
    }
    for (const child of children) lines.push(`    child ${child.pid} ${child.name}`);
  }
  const next = NEXT[is]?.(reply);
  return [...lines, ...(next ? ['', next] : [])].join('\n');
}

const NEXT: Partial<Record<StackReply['is'], (reply: StackReply) => string>> = {
  'hot-loop': ({ id }) => `if it does not recover by itself: pm2 restart ${id}`,
  standstill: ({ id }) => `if it does not recover by itself: pm2 restart ${id}`,
  stopped: ({ pid }) => `let it go on: kill -CONT ${pid}`,
};

function inCall(syscall: string | null, wchan: string | null): string {
  const call = syscall === null ? '' : syscall === 'none' ? ', in its own code' : `, in ${syscall}`;
  return `${call}${wchan === null ? '' : ` (${wchan})`}`;
}
