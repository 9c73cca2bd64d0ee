// `reload`: a rolling reload of an app.
import type { ReloadProgress, ReloadRefused, ReloadReply } from '../../../contract/commandMessages.ts';
import type { Events } from '../../events/events.ts';
import type { ReloadRequest } from '../../operations/reload/context.ts';
import type { RollingReload } from '../../operations/reload/rollingReload.ts';

export interface ReloadCommandParts {
  reloads: Pick<RollingReload, 'reload'>;
  events: Events;
}

export function reload(
  { reloads, events }: ReloadCommandParts,
  request: ReloadRequest,
  onProgress: (progress: ReloadProgress) => void,
): Promise<ReloadReply | ReloadRefused> {
  return reloads.reload(request, (progress) => {
    events.emit('reload-step', { progress });
    onProgress(progress);
  });
}
