# All programs as the user's build left them, in whole pages of the kernel's image.
    .section .user, "a"
    .incbin USER_IMAGE_FILE
