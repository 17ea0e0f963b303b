import { elementOf } from '../page-element.ts';

/**
 * Lets the picture fill the screen by the page's button, with the comments over it. The player's own button makes the
 * video alone fill the screen: the comments then go into the layer above that.
 * `failed` is called with a sentence where the browser does not let it.
 */
export function offerFullscreen(failed: (why: string) => void): void {
  const picture = elementOf('picture', HTMLElement);
  const video = elementOf('video', HTMLVideoElement);
  const stage = elementOf('stage', HTMLElement);
  const toggle = elementOf('full-toggle', HTMLButtonElement);
  const leave = elementOf('full-leave', HTMLButtonElement);
  const turn = (): void => {
    const turned = document.fullscreenElement === null ? picture.requestFullscreen() : document.exitFullscreen();
    turned.catch(() => failed('This browser does not let the page fill the screen.'));
  };
  toggle.hidden = !document.fullscreenEnabled;
  toggle.addEventListener('click', turn);
  leave.addEventListener('click', turn);
  document.addEventListener('fullscreenchange', () => {
    const filling = document.fullscreenElement;
    toggle.setAttribute('aria-pressed', String(filling !== null));
    leave.hidden = filling !== picture;
    if (filling === video) {
      stage.popover = 'manual';
      stage.showPopover();
    } else {
      stage.popover = null;
    }
  });
}
