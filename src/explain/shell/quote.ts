/**
 * Text of users and images as words of a POSIX shell. A word never holds a control character itself: a line of a
 * script is one line whatever the text was, and printing the script does nothing to a terminal. Control characters
 * and bytes that are not UTF-8 come from variables that `quoteVariables` defines.
 */

/** One word that the shell expands to exactly `text`. */
export function quote(text: string | Uint8Array): string {
  const pieces = typeof text === 'string' ? piecesOf(text) : bytePieces(text);
  const word = pieces.map(quotePiece).join('');
  return word === '' ? "''" : word;
}

/** A word as it is where that is safe, for lists of words that people read: `sh -c 'echo hi'`. */
export function quoteAll(words: readonly string[]): string {
  return words.map(quote).join(' ');
}

/** Definitions of the variables that a script's words refer to, in the order of their bytes; none for most scripts. */
export function quoteVariables(script: string): readonly string[] {
  const used = new Set([...script.matchAll(/"\$BYTE_([0-9A-F]{2})"/g)].map(([, hex]) => hex ?? ''));
  // The shell cuts newlines off the end of $(…), so one more character stands there and is taken away again.
  return [...used].sort().map((hex) => {
    const octal = Number.parseInt(hex, 16).toString(8).padStart(3, '0');
    return `BYTE_${hex}=$(printf '\\${octal}_') BYTE_${hex}=\${BYTE_${hex}%_}`;
  });
}

/** The argument of printf(1) that makes it print exactly `bytes`. */
export function printfFormat(bytes: Uint8Array): string {
  const format = [...bytes].map((byte) => {
    if (byte === 0x0a) return '\\n';
    if (byte === 0x25) return '%%';
    if (byte === 0x5c) return '\\\\';
    return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`;
  });
  // A format that begins with a hyphen would be taken for an option.
  return quote(format.join('').replace(/^-/, '\\055'));
}

/** A comment: control characters become visible, so that no text can end the comment's line. */
export function commentText(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (c) => `\\x${c.charCodeAt(0).toString(16)}`);
}

/** A run of plain characters, or one byte that needs a variable. */
type Piece = string | number;

function piecesOf(text: string): readonly Piece[] {
  return text.split(/([\p{Cc}\p{Cs}])/u).flatMap((part, i): readonly Piece[] => {
    if (i % 2 === 0) return part === '' ? [] : [part];
    return [...Buffer.from(part)];
  });
}

function bytePieces(bytes: Uint8Array): readonly Piece[] {
  const text = Buffer.from(bytes).toString();
  if (Buffer.from(text).equals(Buffer.from(bytes))) return piecesOf(text);
  return [...bytes].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : byte));
}

function quotePiece(piece: Piece): string {
  if (typeof piece === 'number') return `"$BYTE_${piece.toString(16).toUpperCase().padStart(2, '0')}"`;
  return /^[A-Za-z0-9_/.,:@%+=-]+$/.test(piece) ? piece : `'${piece.replaceAll("'", "'\\''")}'`;
}
