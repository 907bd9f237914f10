/* Netlink for the commands themselves; a container's own messages are in its plan. */
#include "common/netlink.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tsrun.h"

int32_t tsr_netlink(int32_t protocol, int32_t netns, const uint8_t *request, uint32_t len, uint8_t *reply, uint32_t capacity) {
  struct netlink_answer answer = {.replies = reply, .capacity = capacity};
  if (!netlink_well_formed(request, len) || capacity < sizeof answer.text) return -EINVAL;
  int socket = netlink_open(protocol, netns);
  if (socket < 0) {
    reply[0] = 0;
    return socket;
  }
  int result = netlink_exchange(socket, request, len, &answer);
  close(socket);
  if (result == 0) return (int32_t)answer.length;
  memcpy(reply, answer.text, sizeof answer.text);
  return result;
}
