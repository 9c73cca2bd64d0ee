// `alerts`: which incidents are open, and what was told of them; or a test of the channels.
import type { AlertsProgress, AlertsReply, AlertsRequest, AlertsTestReply } from '../../../contract/alerts.ts';
import type { Failure } from '../../../contract/errors.ts';
import { NAME } from '../../../contract/names.ts';
import type { Alerts } from '../../alerts/alerts.ts';

export interface AlertsCommandParts {
  alerts: Alerts;
}

export async function alerts(
  { alerts: told }: AlertsCommandParts,
  { test }: AlertsRequest,
  onProgress: (progress: AlertsProgress) => void,
): Promise<AlertsReply | AlertsTestReply | Failure> {
  if (!test) return told.report();
  if (told.testWithinMs === 0)
    return {
      ...{ ok: false, action: 'alerts', code: 'E_STATE' },
      message: 'alerts are off: neither alert_url nor alert_exec is set',
      hint: `set one: pm2 set ${NAME}:alert_url https://example.org/hook`,
    };
  onProgress({ action: 'alerts', message: 'sends a test', ms: 0, deadlineMs: told.testWithinMs });
  return told.test();
}
