import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { terminalPicture } from '../../scripts/demo/terminalPicture.ts';

describe('the picture of a terminal', () => {
  const picture = terminalPicture(
    [
      { text: '$ npm run demo', atMs: 0 },
      { text: '✔ pm2 install  1.8 s', atMs: 30_000 },
      { text: '    2 of 2 <attached>', atMs: 30_000 },
    ],
    'The demo & what it shows',
  );

  it('shows a line after the one before, and waits for none longer than a reader would', () => {
    const delays = [...picture.matchAll(/animation-delay:(\d+)ms/g)].map(([, ms]) => Number(ms));
    assert.deepEqual(delays, [0, 1_600, 1_720]);
  });

  it('has the colours that the demo has on a terminal', () => {
    assert.match(picture, /<tspan class="good">✔<\/tspan> pm2 install<tspan class="dim"> {2}1\.8 s<\/tspan>/);
  });

  it('escapes what XML would read as something else', () => {
    assert.match(picture, /2 of 2 &#60;attached&#62;/);
    assert.match(picture, /<title>The demo &#38; what it shows<\/title>/);
  });
});
