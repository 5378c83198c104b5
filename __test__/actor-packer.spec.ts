/**
 * How messages stand in the bytes that go from thread to thread: whatever was written comes out, however the memory had to grow for it. A text for which it
 * did was once written without its length, and all behind it was read as something else.
 */
import { Packer, Unpacker } from '../dist/actor/thread/packer';
import { randomFrom } from './fixtures/actor-servers';
import { anyValue, isSame, LENGTHS, LETTERS, textOf } from './fixtures/actor-values';

/** What the other side reads of what was written; the packer begins anew. */
function read(packer: Packer, unpacker: Unpacker, count: number): unknown[] {
  const bytes = Buffer.from(packer.bytes.subarray(0, packer.length));
  packer.reset();
  unpacker.read(bytes, 0);
  const values = Array.from({ length: count }, () => unpacker.value());
  expect(unpacker.at).toBe(bytes.length);
  return values;
}

describe('a text', () => {
  const places: [string, (text: string) => unknown][] = [
    ['alone', (text) => text],
    ['in an array', (text) => [1, text, 'x']],
    ['as a property', (text) => ({ text, behind: 1 })],
    ['as the name of a property', (text) => ({ [text]: text })],
  ];

  test.each(places)('of any length and any letters comes out as it was: %s', (_, place) => {
    for (const letter of LETTERS) {
      for (const length of LENGTHS) {
        const [packer, unpacker] = [new Packer(), new Unpacker()];
        for (const before of ['', 'short', textOf('é', 30_000)]) {
          const values = [before, place(textOf(letter, length)), 'behind'];
          for (const value of values) packer.value(value);
          expect(isSame(values, read(packer, unpacker, 3)) || [letter, length, before.length]).toBe(true);
        }
      }
    }
  });
});

test.each(Array.from({ length: 20 }, (_, seed) => [seed]))(
  'values of all kinds come out as they were, batch after batch: seed %i',
  (seed) => {
    const random = randomFrom(seed);
    for (let round = 0; round < 20; round++) {
      const [packer, unpacker] = [new Packer(), new Unpacker()];
      for (let batch = 0; batch < 4; batch++) {
        const values = Array.from({ length: 1 + Math.floor(random() * 6) }, () => anyValue(random));
        for (const value of values) {
          packer.value(value);
          // What is refused leaves nothing behind, not even in what both sides remember.
          if (random() < 0.2)
            expect(() => packer.value(['new text', random() < 0.5 ? () => 1 : Symbol('s')])).toThrow();
        }
        expect(isSame(values, read(packer, unpacker, values.length)) || [round, batch]).toBe(true);
      }
    }
  },
);
