import { type Comment, isRightToLeft, type Mode } from '../comment.ts';
import { Lanes, type LanesOptions } from './ass-lanes.ts';
import { estimateWidth } from './ass-widths.ts';
import { type ExportFormat, Timeline } from './export-format.ts';

/** The picture in px; players scale it to the video. */
const WIDTH = 1_920;
const HEIGHT = 1_080;

/** Sizes of comments are px on a picture of half the height: the usual 25 becomes 50, of which 20 lines fit. */
const SCALE = 2;

/** Outline in px, all round. */
const OUTLINE = 2;

const LANE_HEIGHT = 54;

/** How long comments are shown, in cs: the unit of time in ASS. */
const SCROLL_TIME = 800;
const STILL_TIME = 500;

const SCROLL: LanesOptions = { lanes: HEIGHT / LANE_HEIGHT, duration: SCROLL_TIME, scroll: WIDTH };
const STILL: LanesOptions = { lanes: HEIGHT / LANE_HEIGHT, duration: STILL_TIME, scroll: null };

const WHITE = 0xffffff;

/** A colour darker than this, of 255, gets a white outline in place of a black one. */
const DARK = 16;

/** A byte order mark comes first: players on Windows take a file without one for the system's encoding. */
const HEAD = `\ufeff[Script Info]
Title: ROOM
ScriptType: v4.00+
WrapStyle: 2
ScaledBorderAndShadow: yes
PlayResX: ${WIDTH}
PlayResY: ${HEIGHT}

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Comment,sans-serif,50,&H00FFFFFF,&H00FFFFFF,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,${OUTLINE},0,7,0,0,0,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
`;

/**
 * Subtitles (ASS, v4.00+): comments cross the picture in 8 s or stand at its top or bottom for 5 s, as in a player.
 * Nothing is left out: where no lane is free, a comment goes to the one that is free first, over what is still there.
 */
export class AssExport implements ExportFormat {
  readonly contentType = 'text/x-ssa; charset=utf-8';
  readonly extension = 'ass';
  readonly head: string;
  readonly foot = '';
  readonly #timeline: Timeline;
  readonly #bands: Readonly<Record<Mode, Lanes>> = {
    scroll: new Lanes(SCROLL),
    top: new Lanes(STILL),
    bottom: new Lanes(STILL),
  };

  /** @param origin Unix ms, null for the first comment's */
  constructor(room: string, origin: number | null) {
    this.head = HEAD.replace('ROOM', room);
    this.#timeline = new Timeline(origin);
  }

  render(comments: readonly Comment[]): string {
    let text = '';
    for (const comment of comments) text += this.#renderComment(comment);
    return text;
  }

  #renderComment({ at, mode, size: given, color, text: said }: Comment): string {
    const text = escapeAss(said);
    const ems = estimateWidth(text);
    const isStill = mode !== 'scroll';
    // What stands still is seen whole or not at all, so there a long text is written smaller.
    const size = isStill ? Math.max(1, Math.min(given * SCALE, Math.floor(WIDTH / ems.most))) : given * SCALE;
    const width = Math.ceil(ems.width * size);
    const height = Math.ceil((size + 2 * OUTLINE) / LANE_HEIGHT);
    const time = Math.round(this.#timeline.offsetOf(at) / 10);
    const { lane, start } = this.#bands[mode].place(time, { width, most: Math.ceil(ems.most * size) }, height);
    const end = start + (isStill ? STILL_TIME : SCROLL_TIME);
    const tags = `${positionTags(mode, lane * LANE_HEIGHT + OUTLINE, width)}\\fs${size}${colorTags(color)}`;
    const layer = isStill ? 1 : 0;
    return `Dialogue: ${layer},${formatTime(start)},${formatTime(end)},Comment,,0,0,0,,{${tags}}${text}\n`;
  }
}

/** @param inset px from the edge of the picture that the band begins at */
function positionTags(mode: Mode, inset: number, width: number): string {
  if (mode === 'top') return `\\an8\\pos(${WIDTH / 2},${inset})`;
  if (mode === 'bottom') return `\\an2\\pos(${WIDTH / 2},${HEIGHT - inset})`;
  return `\\an7\\move(${WIDTH},${inset},${-width},${inset})`;
}

/** ASS has blue first. */
function colorTags(color: number): string {
  if (color === WHITE) return '';
  const [red, green, blue] = [color >>> 16, (color >>> 8) & 0xff, color & 0xff];
  const hex = [blue, green, red].map((part) => part.toString(16).padStart(2, '0').toUpperCase()).join('');
  const isDark = 0.299 * red + 0.587 * green + 0.114 * blue < DARK;
  return `\\c&H${hex}&${isDark ? '\\3c&HFFFFFF&' : ''}`;
}

/** `H:MM:SS.cc` of cs. */
function formatTime(time: number): string {
  const pad = (value: number): string => String(value).padStart(2, '0');
  const seconds = Math.floor(time / 100);
  const minutes = Math.floor(seconds / 60);
  return `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(seconds % 60)}.${pad(time % 100)}`;
}

/** Control characters and whatever a reader may take for the end of a line. */
const BREAKS = /[\p{Cc}\u2028\u2029]/gu;

/** Right-to-left embedding (RLE) and its end. */
const EMBEDDING = ['\u202b', '\u202c'] as const;

/**
 * Text for a dialogue, with nothing in it that a player takes for a command. Braces become their full-width twins,
 * because not every player knows an escape for them; U+2060 (word joiner, not seen) parts a backslash from the letter
 * that would make it a line break or a space. Players lay a line out from left to right, so a text from right to left is
 * embedded. Otherwise its punctuation stands on the wrong side.
 */
export function escapeAss(text: string): string {
  const escaped = text
    .replace(BREAKS, ' ')
    .replaceAll('{', '｛')
    .replaceAll('}', '｝')
    .replace(/\\(?=[nNh])/g, '\\\u2060');
  return isRightToLeft(text) ? EMBEDDING.join(escaped) : escaped;
}
