import { type Command, CommanderError, Option } from 'commander';
import { envName, SETTINGS, type Setting, type SettingName, type Settings } from '../settings/settings.ts';

/** Exit code for a bad setting and for a port in use. */
export const BAD_SETTING = 2;

/** Gives `command` an option for every setting; the environment stands in where a flag is not given. */
export function addSettings(command: Command): void {
  for (const setting of SETTINGS) {
    const isSwitch = typeof setting.fallback === 'boolean';
    const value = isSwitch ? `[${setting.unit}]` : `<${setting.unit}>`;
    const option = new Option(`--${setting.flag} ${value}`, setting.text)
      .env(envName(setting))
      .default(setting.fallback, setting.fallbackText ?? String(setting.fallback))
      .argParser((text: string) => readSetting(setting, text));
    command.addOption(isSwitch ? option.preset('true') : option);
  }
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
