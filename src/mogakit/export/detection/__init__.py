"""What an app needs beside the files of a detector."""
