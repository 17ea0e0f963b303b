import { Command, CommanderError, Option } from 'commander';
import { envName, SETTING_GROUPS, SETTINGS, type Setting, type SettingName, type Settings } from '../settings.ts';

/** Exit code for a bad setting and for a port in use. */
export const BAD_SETTING = 2;

/** Gives `command` an option for every setting, in groups; the environment stands in where a flag is not given. */
export function addSettings(command: Command): void {
  for (const { title, names } of SETTING_GROUPS) {
    addGroup(
      command,
      `${title}:`,
      SETTINGS.filter(({ name }) => names.includes(name)),
    );
  }
  const grouped = SETTING_GROUPS.flatMap(({ names }) => names);
  addGroup(
    command,
    'Others:',
    SETTINGS.filter(({ name }) => !grouped.includes(name)),
  );
}

function addGroup(command: Command, heading: string, settings: readonly Setting[]): void {
  for (const setting of settings) {
    const isSwitch = typeof setting.fallback === 'boolean';
    const value = isSwitch ? `[${setting.unit}]` : `<${setting.unit}>`;
    const option = new Option(`--${setting.flag} ${value}`, setting.text)
      .env(envName(setting))
      .default(setting.fallback, setting.fallbackText ?? String(setting.fallback))
      .argParser((text: string) => readSetting(setting, text))
      .helpGroup(heading);
    command.addOption(isSwitch ? option.preset('true') : option);
  }
}

/** The `VOLLEY_…` variables that name no setting; `meant` is the one that is most like it, if any is. */
export function findUnknownVariables(env: NodeJS.ProcessEnv): { variable: string; meant?: string }[] {
  const names = new Set(SETTINGS.map(envName));
  const unknown = Object.keys(env).filter((name) => name.startsWith('VOLLEY_') && !names.has(name));
  return unknown.map((variable) => {
    const meant = findLike(variable);
    return meant === undefined ? { variable } : { variable, meant };
  });
}

/** The variable of the setting whose flag commander would suggest for a mistyped one. */
function findLike(variable: string): string | undefined {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  for (const { flag } of SETTINGS) command.option(`--${flag}`);
  const flag = variable.replace('VOLLEY_', '--').replaceAll('_', '-').toLowerCase();
  try {
    command.parse([flag], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const like = /Did you mean (?:one of )?--([a-z-]+)/.exec(error.message)?.[1];
    return SETTINGS.filter((setting) => setting.flag === like).map(envName)[0];
  }
  return undefined;
}

/**
 * The settings of a command that was parsed: commander names them as {@link Settings} does. A made-up crowd is not kept
 * unless a store is named for it.
 */
export function readSettings(command: Command): Settings {
  const settings = command.opts<Settings>();
  const forgets = settings.demo && command.getOptionValueSource('store') === 'default';
  return forgets ? { ...settings, store: 'memory' } : settings;
}

/**
 * @throws CommanderError with exit code 2 and one sentence that names the flag, the value and what is allowed
 */
function readSetting(setting: Setting, text: string): Settings[SettingName] {
  const checked = setting.check(text);
  if ('value' in checked) return checked.value;
  const sentence = `--${setting.flag} (${envName(setting)}) cannot be "${text}": allowed is ${checked.allowed}`;
  throw new CommanderError(BAD_SETTING, 'volley.badSetting', sentence);
}
