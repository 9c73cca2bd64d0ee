// Conditions, actions and limits in words, for the command, the log and alerts.
import type { Condition, FigureCondition, Limit, RuleAction } from '../../contract/rules.ts';
import { sizeText, timeText } from '../rulesFile/units.ts';

const FIGURES: Record<FigureCondition, (value: number) => string> = {
  'delay-p99': (ms) => `event loop delay p99 ${timeText(Math.round(ms))}`,
  utilization: (share) => `event loop ${percent(share)} busy`,
  heap: (share) => `heap at ${percent(share)} of its limit`,
  errors: (count) => `${Math.round(count)} errors a minute`,
  growth: (bytes) => `memory grows by ${sizeText(bytes)} an hour`,
};

/** A figure as it is now: `heap at 91 % of its limit`. */
export function figureText(is: FigureCondition, value: number): string {
  return FIGURES[is](value);
}

export function conditionText(when: Condition): string {
  switch (when.is) {
    case 'blocked':
      return `its event loop does not turn for ${timeText(when.forMs)}`;
    case 'exit':
      return `${times(when.times)} ended by ${when.causes.join(', ')} within ${timeText(when.inMs)}`;
    case 'restarts':
      return `${times(when.times)} ended unasked within ${timeText(when.inMs)}`;
    case 'disk':
      return `the disk for dumps has less than ${sizeText(when.below)} left for ${timeText(when.forMs)}`;
    default:
      return `more than: ${figureText(when.is, when.above)}, for ${timeText(when.forMs)}`;
  }
}

export function actionText(action: RuleAction): string {
  const { action: name, ...details } = action;
  const told = Object.entries(details).flatMap(([key, value]) => {
    if (key === 'seconds') return [`${value} s`];
    if (key === 'largestHeapBytes') return [`heap up to ${sizeText(Number(value))}`];
    return value === true ? [key] : [];
  });
  return told.length === 0 ? name : `${name} (${told.join(', ')})`;
}

export function limitText({ times: most, inMs }: Limit): string {
  return `${most} in ${timeText(inMs)}`;
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
