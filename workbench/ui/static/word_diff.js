// Which words differ between two texts: the longest common subsequence of their words (Wagner and Fischer 1974).

const MOST_CELLS = 16_000_000;

/** Pieces `{ kind, text }` of `kind` "same", "added" (only in `text`) and "removed" (only in `other`), in reading order. */
export function wordDiff(other, text) {
  const before = words(other);
  const after = words(text);
  const head = common(before, after);
  const tail = common(before.slice(head).reverse(), after.slice(head).reverse());
  const middle = changes(before.slice(head, before.length - tail), after.slice(head, after.length - tail));
  return joined([...same(after.slice(0, head)), ...middle, ...same(after.slice(after.length - tail))]);
}

/** Words, each with the space before it: joined they are the text. */
const words = (text) => text.match(/\s*\S+|\s+$/g) ?? [];

/** Words are the same whatever space stands before them. */
const equal = (one, other) => one.trim() === other.trim();

const same = (list) => list.map((text) => ({ kind: "same", text }));

function common(one, other) {
  let length = 0;
  while (length < one.length && length < other.length && equal(one[length], other[length])) length += 1;
  return length;
}

function changes(before, after) {
  const removed = before.map((text) => ({ kind: "removed", text }));
  const added = after.map((text) => ({ kind: "added", text }));
  if (!before.length || !after.length || before.length * after.length > MOST_CELLS) return [...removed, ...added];
  const lengths = table(before, after);
  const found = [];
  let [row, column] = [0, 0];
  while (row < before.length && column < after.length) {
    if (equal(before[row], after[column])) {
      found.push({ kind: "same", text: after[column] });
      row += 1;
      column += 1;
    } else if (lengths[row + 1][column] >= lengths[row][column + 1]) {
      found.push(removed[row]);
      row += 1;
    } else {
      found.push(added[column]);
      column += 1;
    }
  }
  return [...found, ...removed.slice(row), ...added.slice(column)];
}

/** Row by row, how long the common subsequence of what follows is. */
function table(before, after) {
  const rows = Array.from({ length: before.length + 1 }, () => new Uint32Array(after.length + 1));
  for (let row = before.length - 1; row >= 0; row -= 1) {
    for (let column = after.length - 1; column >= 0; column -= 1) {
      rows[row][column] = equal(before[row], after[column])
        ? rows[row + 1][column + 1] + 1
        : Math.max(rows[row + 1][column], rows[row][column + 1]);
    }
  }
  return rows;
}

/** Neighbours of one kind become one piece. */
function joined(pieces) {
  const found = [];
  for (const piece of pieces) {
    if (found.at(-1)?.kind === piece.kind) found.at(-1).text += piece.text;
    else found.push({ ...piece });
  }
  return found;
}
