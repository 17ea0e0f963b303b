import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { CASE_NAMES, type CaseName } from './peer-case.ts';

export interface PeersOptions {
  readonly turns: number;
  readonly viewers: number;
  readonly seconds: number;
  readonly warmup: number;
  /** Milliseconds that JavaScript has to be compiled in, beyond the warm-up. */
  readonly warmUpMs: number;
  /** In the order of {@link CASE_NAMES}. */
  readonly cases: readonly CaseName[];
  /** Contenders to hold volley against; empty for all. */
  readonly only: readonly string[];
  readonly write: boolean;
  readonly json: boolean;
  readonly progress: boolean;
}

/** The page is of three turns at least, and whole: one that is not must not take its place. */
const PAGE_TURNS = 3;

/** Why there are no options: `help` was asked for, or `fault` says in one sentence what is wrong. */
type NoOptions = { readonly help: string } | { readonly fault: string };

interface Given extends Omit<PeersOptions, 'cases' | 'only' | 'warmUpMs'> {
  readonly case?: readonly CaseName[];
  readonly only?: readonly string[];
  /** Seconds. */
  readonly compile: number;
}

/** Reads the command line, without the program's own name. `contenders` are the names that `--only` takes. */
export function readPeersOptions(argv: readonly string[], contenders: readonly string[]): PeersOptions | NoOptions {
  let help = '';
  const command = describeCommand(contenders).configureOutput({
    writeOut: (text) => {
      help += text;
    },
    writeErr() {},
  });
  try {
    command.parse(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { help };
    return { fault: `${error.message.replace(/^error: /, '')}; see npm run bench:peers -- --help` };
  }
  const { case: chosen, only, compile, ...given } = command.opts<Given>();
  const isPart = chosen !== undefined || only !== undefined;
  if (given.write && (given.turns < PAGE_TURNS || isPart)) {
    return { fault: `--write wants ${PAGE_TURNS} turns or more, and neither --case nor --only` };
  }
  const cases = CASE_NAMES.filter((name) => chosen === undefined || chosen.includes(name));
  return { ...given, cases, only: only ?? [], warmUpMs: compile * 1_000 };
}

function describeCommand(contenders: readonly string[]): Command {
  return new Command('npm run bench:peers --')
    .description('Holds volley against other ways to push the same to the same viewers, turn by turn.')
    .addOption(number('--turns <N>', 'turns of each contender', 3, 1))
    .addOption(number('--viewers <N>', 'viewers; the case spread has 2.5 times as many', 4_000, 1))
    .addOption(number('--seconds <S>', 'seconds that are measured, each turn', 8, 1))
    .addOption(number('--warmup <S>', 'seconds with viewers before that', 3, 0))
    .addOption(number('--compile <S>', 'seconds more in which JavaScript gets compiled', 4, 0))
    .addOption(list('--case <name>', 'what is pushed, repeatable (default: all)', CASE_NAMES))
    .addOption(list('--only <name>', 'whom volley is held against, repeatable (default: all)', contenders))
    .option('--write', `write docs/benchmarks.md too; not with --case, --only or fewer than ${PAGE_TURNS} turns`, false)
    .option('-j, --json', 'stdout is one JSON document', false)
    .option('--no-progress', 'no line on stderr for each turn')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 a contender could not be measured, 2 bad option, 130 ended with Ctrl-C.',
    )
    .allowExcessArguments(false)
    .showSuggestionAfterError(false)
    .exitOverride();
}

function number(flags: string, description: string, fallback: number, least: number): Option {
  return new Option(flags, description).default(fallback).argParser((text: string) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`Allowed is a whole number, ${least} or more.`);
  });
}

function list(flags: string, description: string, names: readonly string[]): Option {
  const option = new Option(flags, `${description} (choices: ${names.join(', ')})`);
  return option.argParser((text: string, before: readonly string[] | undefined) => {
    if (names.includes(text)) return [...(before ?? []), text];
    throw new InvalidArgumentError(`Allowed are ${names.join(', ')}.`);
  });
}
