// `import 'pm2-ops/agent'` or `node --import pm2-ops/agent`: the app loads the agent itself, so that the module does not have to
// open its inspector.
import { enter } from './realm/enter.ts';

try {
  enter().knock();
} catch {
  // The app has to start even if the agent fails.
}
