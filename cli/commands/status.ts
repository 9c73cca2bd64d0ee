// `pm2-ops status`: which processes are attached, which are not and why.
import { DEFAULT_NAMESPACE } from '../../contract/app.ts';
import type { ProcessStatus, StatusReply } from '../../contract/commandMessages.ts';
import { ago } from '../../shared/text/duration.ts';
import { printableValue } from '../../shared/text/printable.ts';
import { shorten } from '../../shared/text/width.ts';
import { askModule } from '../askModule.ts';
import type { Command } from '../command.ts';
import { say, sayJson } from '../output.ts';
import { paint, table } from '../table.ts';

/** Columns of a last exit. */
const LAST_EXIT_COLUMNS = 50;

export const status: Command = {
  name: 'status',
  summary: 'Shows every managed process: attached, or why not.',
  arguments: [],
  options: { json: { type: 'boolean', help: 'print JSON for scripts' } },
  async run({ values }) {
    const reply = await askModule<StatusReply>('status');
    if (values.json === true) sayJson(reply, 2);
    else say(render(printableValue(reply)));
    return 0;
  },
};

function render({ version, processes, refusedRules = [] }: StatusReply): string {
  if (processes.length === 0) return `pm2-ops ${version}: PM2 manages no app yet. Start one: pm2 start app.js`;
  const attached = processes.filter((each) => each.attached).length;
  // Most hosts use no namespaces, and need no column for them.
  const namespaces = processes.some(({ namespace }) => namespace !== DEFAULT_NAMESPACE);
  const inNamespace = <T>(cell: T) => (namespaces ? [cell] : []);
  const exits = processes.some(({ lastCause }) => lastCause !== undefined);
  const inExits = <T>(cell: T) => (exits ? [cell] : []);
  return [
    table(
      [
        'id',
        ...inNamespace('namespace'),
        'name',
        'pid',
        'mode',
        'pm2',
        'pm2-ops',
        'state',
        ...inExits('last exit'),
        'note',
      ],
      processes.map((each) => [
        String(each.id),
        ...inNamespace(each.namespace),
        each.name,
        String(each.pid || '-'),
        each.mode,
        each.status,
        coloured(each),
        each.state === 'unknown' ? '-' : each.state === 'blocked' ? paint('red', each.state) : each.state,
        ...inExits(lastExit(each)),
        note(each),
      ]),
    ),
    `pm2-ops ${version}: ${attached} of ${processes.length} attached`,
    ...(refusedRules.length > 0
      ? [`rules.json is refused, and the rules stay as they were: ${refusedRules.join('; ')}`]
      : []),
  ].join('\n');
}

/** `2 h ago: uncaught TypeError: x is not a …`; more says `pm2-ops why`. */
function lastExit({ lastCause }: ProcessStatus): string {
  if (!lastCause) return '-';
  return shorten(`${ago(Date.now() - lastCause.at)}: ${lastCause.headline}`, LAST_EXIT_COLUMNS);
}

function coloured({ attachment }: ProcessStatus): string {
  const colours = { attached: 'green', waiting: 'yellow', skipped: 'grey' } as const;
  return paint(colours[attachment], attachment);
}

function note({
  id,
  blockedMs,
  dumping,
  reason,
  kept,
  real,
  badMessages,
  listensElsewhere: elsewhere,
  door: { held, prepared, whyNot },
}: ProcessStatus): string {
  return [
    dumping && 'it writes a heap dump',
    blockedMs !== undefined &&
      !dumping &&
      `no answer for ${(blockedMs / 1000).toFixed(1)} s; where it is: pm2-ops stack ${id}`,
    reason,
    kept && `the app's own: ${kept.join(', ')}`,
    badMessages !== undefined && `${badMessages} messages dropped that no agent sends: pm2 logs pm2-ops`,
    real,
    elsewhere && `listens on ${elsewhere} in a worker thread or native code: cannot be drained`,
    held.length > 0 && `over restarts, the module holds ${held.join(', ')}`,
    prepared && whyNot !== undefined && `its sockets cannot be held over restarts: ${whyNot}`,
  ]
    .filter(Boolean)
    .join('; ');
}
