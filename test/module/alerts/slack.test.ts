import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { slackBody } from '../../../module/alerts/slack.ts';
import { anAlert } from './records.ts';

const textOf = (given: Parameters<typeof anAlert>[0]) =>
  (JSON.parse(slackBody(anAlert(given))) as { text: string }).text;

describe("an alert in Slack's form", () => {
  it('says how bad it is, where, what, how often and what to type', () => {
    assert.equal(
      textOf({ severity: 'critical', count: 16 }),
      '*🔴 critical* on box, seen 16 times\n```\nweb (id 3): uncaught Error: boom\nit was up for 60 s\nnext: pm2-ops why web\n```',
    );
    assert.match(textOf({ state: 'resolved' }), /^\*✅ over\* on box/);
  });

  it('takes text of an app for text: it mentions nobody, links nowhere, and does not leave its block', () => {
    const text = textOf({
      title: '<!channel> <@U123> <https://evil.example|click> @everyone @Here ``` *bold* &amp;',
      host: '<!here>',
    });
    assert.doesNotMatch(text, /[<>]|@everyone|@Here/);
    assert.match(text, /&lt;!channel&gt; &lt;@U123&gt; &lt;https:/);
    assert.match(text, /&amp;amp;/);
    assert.equal(text.split('```').length, 3);
  });

  it('is no longer than Slack shows, and cut between two characters', () => {
    const text = textOf({ details: Array.from({ length: 40 }, () => '<'.repeat(299)) });
    assert.ok(text.length < 4_000);
    assert.match(text, /(&lt;)…\n```$/);
  });
});
