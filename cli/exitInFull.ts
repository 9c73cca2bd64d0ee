// One exit on a terminal with all that is known: evidence, exception, last minutes, last lines.
import type { ExitException, ExitRecord } from '../contract/exits.ts';
import type { FigureSample } from '../contract/figures.ts';
import { ago, dateAndTime, duration } from '../shared/text/duration.ts';
import { byWhom, codeOrSignal, whatFollowed } from '../shared/text/exitWords.ts';
import { shorten } from '../shared/text/width.ts';
import { causeOf, nameOf } from './exitList.ts';
import { sparkline } from './sparkline.ts';
import { paint } from './table.ts';

const LABEL = 11;
const SPARKS = 32;
/** How many lines are shown; `--json` has all. */
const SHOWN = { stack: 8, lines: 10 };
const MIB = 2 ** 20;

/** @param record without control characters @param columns of the terminal */
export function exitInFull(record: ExitRecord, columns: number): string {
  const { at, pid, mode, exception, requests, deploy } = record;
  const trace = new Set(exception?.stack);
  const width = Math.max(20, columns - LABEL);
  const row = (label: string, texts: readonly string[]) =>
    texts.map((text, index) => `${paint('grey', (index === 0 ? label : '').padEnd(LABEL))}${shorten(text, width)}`);
  const when = [dateAndTime(at), ago(Date.now() - at), `pid ${pid}`, `${mode} mode`, `up ${duration(record.uptimeMs)}`];
  return [
    `${nameOf(record)}  ${causeOf(record, columns - nameOf(record).length - 2)}`,
    ...row('when', [when.join(', ')]),
    ...row('ended by', [`${byWhom(record.by)}${codeOrSignal(record) === '-' ? '' : `, ${codeOrSignal(record)}`}`]),
    ...row('then', [whatFollowed(record.followed)]),
    ...row('evidence', record.evidence),
    ...row('exception', exception ? firstOf(withMessage(exception), SHOWN.stack) : []),
    ...row('rejections', record.unhandledRejections ? [`${record.unhandledRejections} that nothing handled`] : []),
    ...row('requests', requests ? [`${requests.finished} finished, ${requests.cut} cut`] : []),
    ...figureRows(record.figures).flatMap(([label, text]) => row(label, [text])),
    ...row('stdout', record.stdout.slice(-SHOWN.lines)),
    ...row('stderr', record.stderr.filter((line) => !trace.has(line)).slice(-SHOWN.lines)),
    ...row('deploy', deploy ? [[deploy.version, deploy.branch, deploy.revision].filter(Boolean).join(' ')] : []),
    ...row('report', record.report === undefined ? [] : [record.report]),
    ...row('missing', record.missing),
  ].join('\n');
}

/** Node's stack begins with the message. */
function withMessage({ message, stack }: ExitException): string[] {
  const lines = stack.map((line) => line.trim());
  return lines[0] === message ? lines : [message, ...lines];
}

/** The last minutes, a row for each figure that says something. */
function figureRows(figures: readonly FigureSample[]): [label: string, text: string][] {
  const [first] = figures;
  const last = figures.at(-1);
  if (!first || !last || figures.length < 2) return [];
  const spark = (values: readonly number[]) => sparkline(values, SPARKS);
  const memory = figures.map(({ rssBytes }) => rssBytes);
  const delays = figures.map(({ delayMaxMs }) => delayMaxMs);
  const requests = perSecond(figures, 'requests');
  const errors = perSecond(figures, 'serverErrors');
  const minutes = duration(last.at - first.at);
  return [
    [
      'memory',
      `${spark(memory)}  ${mb(first.rssBytes)} to ${mb(last.rssBytes)} in ${minutes}, heap ${mb(last.heapUsedBytes)} of ${mb(last.heapLimitBytes)}`,
    ],
    [
      'event loop',
      `${spark(figures.map(({ utilization }) => utilization))}  ${(last.utilization * 100).toFixed(0)} % busy at the end, delayed up to ${Math.max(...delays).toFixed(0)} ms`,
    ],
    ...(last.requests > 0
      ? [['requests', `${spark(requests)}  up to ${Math.max(...requests).toFixed(1)} a second`] as [string, string]]
      : []),
    ...(last.serverErrors > 0
      ? [
          ['errors', `${spark(errors)}  ${last.serverErrors - first.serverErrors} responses of 500 and above`] as [
            string,
            string,
          ],
        ]
      : []),
  ];
}

/** How fast a total has risen between each sample and the one before. */
function perSecond(figures: readonly FigureSample[], field: 'requests' | 'serverErrors'): number[] {
  return figures.slice(1).map((sample, at) => {
    const before = figures[at];
    const seconds = before ? (sample.at - before.at) / 1_000 : 0;
    return before && seconds > 0 ? Math.max(0, sample[field] - before[field]) / seconds : 0;
  });
}

function firstOf(lines: readonly string[], count: number): string[] {
  const rest = lines.length - count;
  return [...lines.slice(0, count), ...(rest > 0 ? [`and ${rest} more: --json shows all`] : [])];
}

function mb(bytes: number): string {
  return `${Math.round(bytes / MIB)} MB`;
}
